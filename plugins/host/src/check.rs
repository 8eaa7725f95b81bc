//! What an upload was checked for, and how each check ended.

use serde::Serialize;

/// One check that was made. Checks after the first failed one are not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    /// What was found, in one line.
    pub detail: String,
    /// What to do about it, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// All checks made, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    pub checks: Vec<Check>,
}

/// Why a component is not taken, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    TooLarge,
    Precompiled,
    NotAComponent,
    Malformed,
    OverLimits,
    Imports,
    Exports,
    CompileInvalid,
    CompileTimeout,
    CompileMemory,
    CompileCrash,
    ArtefactTooLarge,
    NotLoadable,
    Instantiation,
    /// Not the component's fault: try again.
    Unavailable,
}

impl Refusal {
    pub const ALL: [Self; 15] = [
        Self::TooLarge,
        Self::Precompiled,
        Self::NotAComponent,
        Self::Malformed,
        Self::OverLimits,
        Self::Imports,
        Self::Exports,
        Self::CompileInvalid,
        Self::CompileTimeout,
        Self::CompileMemory,
        Self::CompileCrash,
        Self::ArtefactTooLarge,
        Self::NotLoadable,
        Self::Instantiation,
        Self::Unavailable,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Precompiled => "precompiled",
            Self::NotAComponent => "not-a-component",
            Self::Malformed => "malformed",
            Self::OverLimits => "over-limits",
            Self::Imports => "imports",
            Self::Exports => "exports",
            Self::CompileInvalid => "compile-invalid",
            Self::CompileTimeout => "compile-timeout",
            Self::CompileMemory => "compile-memory",
            Self::CompileCrash => "compile-crash",
            Self::ArtefactTooLarge => "artefact-too-large",
            Self::NotLoadable => "not-loadable",
            Self::Instantiation => "instantiation",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A component that is not taken. The last check of the report is the failed one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}; {cure}")]
pub struct Refused {
    pub reason: Refusal,
    pub detail: String,
    pub cure: String,
    pub report: CheckReport,
}

/// A failed check before it stands in a report.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) reason: Refusal,
    pub(crate) detail: String,
    pub(crate) cure: String,
}

impl Fault {
    pub(crate) fn new(reason: Refusal, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            cure: cure.into(),
        }
    }
}

impl CheckReport {
    /// Notes how the check `name` ended, and ends the checking where it failed.
    pub(crate) fn note<T>(
        &mut self,
        name: &'static str,
        outcome: Result<(T, String), Fault>,
    ) -> Result<T, Refused> {
        match outcome {
            Ok((value, detail)) => {
                self.checks.push(Check {
                    name,
                    ok: true,
                    detail,
                    cure: None,
                });
                Ok(value)
            }
            Err(fault) => Err(self.refuse(name, fault)),
        }
    }

    /// Notes a failed check, and hands out the report.
    pub(crate) fn refuse(&mut self, name: &'static str, fault: Fault) -> Refused {
        let Fault {
            reason,
            detail,
            cure,
        } = fault;
        let check = Check {
            name,
            ok: false,
            detail: detail.clone(),
            cure: Some(cure.clone()),
        };
        self.checks.push(check);
        Refused {
            reason,
            detail,
            cure,
            report: std::mem::take(self),
        }
    }
}
