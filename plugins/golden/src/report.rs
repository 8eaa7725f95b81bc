//! What became of a case: the answer, what it took, and everything that is wrong with it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::diff::Difference;
use crate::exact::Exact;

/// Differences of one case that are shown; more is counted.
const MAX_SHOWN: usize = 12;

/// How one case went.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    pub name: String,
    pub file: PathBuf,
    pub line: usize,
    /// The export that was asked; none where it was clear that none could be.
    pub export: Option<&'static str>,
    /// Empty where all is as expected.
    pub faults: Vec<Fault>,
    /// In the form of an expectation.
    pub answer: Exact,
    /// A failure's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// As `level: text`.
    pub logs: Vec<String>,
    pub cost: Cost,
}

/// What a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    pub duration_us: u64,
    /// Instructions, counted; the same in every run.
    pub fuel: u64,
    /// Instructions to make the instance.
    pub start_fuel: u64,
    pub memory_bytes: usize,
}

/// One thing that is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The case cannot be put to this plugin.
    CannotBeAsked { reason: String },
    /// The file says nothing about the answer.
    NothingExpected,
    /// The answer is another one.
    Answer { differences: Vec<Difference> },
    /// The plugin logged other lines.
    Logs { differences: Vec<Difference> },
    /// In one instance with other events, the answer is not what it is alone.
    KeepsState {
        alone: Exact,
        in_a_batch: Exact,
        /// Calls that the instance had answered before.
        calls_before: usize,
    },
}

impl CaseReport {
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn has_other_answer(&self) -> bool {
        let is_about_it =
            |fault: &Fault| matches!(fault, Fault::NothingExpected | Fault::Answer { .. });
        self.faults.iter().any(is_about_it)
    }

    pub(crate) fn has_other_logs(&self) -> bool {
        let is_about_them = |fault: &Fault| matches!(fault, Fault::Logs { .. });
        self.faults.iter().any(is_about_them)
    }
}

impl Fault {
    /// Whether the file could say so instead: a question of what is expected, not of how the
    /// plugin behaves.
    #[must_use]
    pub fn can_be_written(&self) -> bool {
        matches!(
            self,
            Self::NothingExpected | Self::Answer { .. } | Self::Logs { .. }
        )
    }
}

/// For people: lines without a closing one.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotBeAsked { reason } => f.write_str(reason),
            Self::NothingExpected => f.write_str(
                "the file does not say what is expected: write \"expect\", or let `--update` \
                 write what comes out",
            ),
            Self::Answer { differences } => write(f, "", differences),
            Self::Logs { differences } => write(f, "log ", differences),
            Self::KeepsState {
                alone,
                in_a_batch,
                calls_before,
            } => {
                write!(
                    f,
                    "state kept between events: the answer differs after {calls_before} other \
                     calls of one instance\n  alone       {alone}\n  in a batch  {in_a_batch}\n  \
                     cure: an instance serves a whole batch; let no answer depend on a static"
                )
            }
        }
    }
}

fn write(f: &mut fmt::Formatter<'_>, what: &str, differences: &[Difference]) -> fmt::Result {
    for (index, difference) in differences.iter().take(MAX_SHOWN).enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        write!(f, "{separator}{what}{difference}")?;
    }
    match differences.len().checked_sub(MAX_SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, "\nand {more} more places"),
    }
}
