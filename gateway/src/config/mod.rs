//! What an operator may set: read from defaults, file, environment and flags, in this order, and
//! checked as a whole before anything starts.
//!
//! Each component takes its own small struct; only [`Settings`] sees them all, and only `app` sees
//! [`Settings`]. The environment comes in as a value. All mistakes are reported at once, each with
//! its key, its value, the rule and where it was set.

mod egress;
mod flags;
mod keyfile;
mod keys;
mod layers;
mod print;
mod reader;
mod secret;
mod sections;
mod theme;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

pub use self::egress::EgressProxy;
pub use self::flags::Flags;
pub use self::keyfile::{Kept, KeyFile, KeyFileError};
pub use self::layers::Source;
pub use self::print::{Effective, InForce, commented};
pub use self::secret::{InvalidMasterKey, MasterKey, Secret};
pub use self::sections::{
    AccessConfig, AttemptLimits, DatabaseConfig, DeliveryConfig, OutboxConfig, PluginConfig,
    ProcessConfig, RetentionConfig, ServerConfig, UiConfig,
};
pub use self::theme::{Logo, Theme};

/// The environment's variables, read once by the program and handed down.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(
            variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
        )
    }

    /// The variable as text; an empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().filter(|value| !value.is_empty())
    }

    #[must_use]
    pub fn path(&self) -> Option<OsString> {
        self.0.get("PATH").cloned()
    }
}

/// Variables hold secrets, so only their names print.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The whole configuration, valid.
#[derive(Clone, Debug)]
pub struct Settings {
    pub process: ProcessConfig,
    pub server: ServerConfig,
    pub access: AccessConfig,
    pub database: DatabaseConfig,
    pub delivery: DeliveryConfig,
    pub plugins: PluginConfig,
    pub outbox: OutboxConfig,
    pub retention: RetentionConfig,
    pub ui: UiConfig,
    /// The same as a listing with sources; secrets are named in it, never shown.
    pub in_force: Effective,
}

impl Settings {
    /// # Errors
    /// All mistakes of all layers at once.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let values = layers::collect(flags, environment, &mut mistakes);
        let settings = sections::read(&mut reader::Reader::new(&values, &mut mistakes));
        match settings {
            Some(settings) if mistakes.is_empty() => Ok(Self {
                in_force: Effective::new(values),
                ..settings
            }),
            _ => Err(ConfigError { mistakes }),
        }
    }
}

/// One wrong setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub key: String,
    /// As it was written; nothing where there is none or it is a secret.
    pub value: Option<String>,
    /// What the value breaks or what would be right.
    pub rule: String,
    pub source: Option<Source>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value:?}")?;
        }
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        write!(f, ": {}", self.rule)
    }
}

#[derive(Clone, Debug)]
pub struct ConfigError {
    pub mistakes: Vec<Mistake>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => write!(f, "1 setting is wrong")?,
            count => write!(f, "{count} settings are wrong")?,
        }
        self.mistakes
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

#[cfg(test)]
mod tests;
