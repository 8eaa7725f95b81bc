//! The answer of one check, as a line for people or an object for machines.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Warning,
    Failure,
}

/// The answer of one check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    pub(super) state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            found: found.into(),
            cure: None,
        }
    }

    pub(super) fn warning(
        check: &'static str,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            check,
            state: State::Warning,
            found: found.into(),
            cure: Some(cure.into()),
        }
    }

    pub(super) fn failure(
        check: &'static str,
        found: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            state: State::Failure,
            ..Self::warning(check, found, cure)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.state {
            State::Ok => "ok  ",
            State::Warning => "warn",
            State::Failure => "FAIL",
        };
        write!(
            f,
            "{mark}  {:<14} {}",
            self.check,
            self.found.replace('\n', "\n                     ")
        )?;
        self.cure
            .iter()
            .try_for_each(|cure| write!(f, "\n                     to mend it: {cure}"))
    }
}
