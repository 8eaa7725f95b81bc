//! The settings in force, as a TOML file that says where each value comes from.

use std::fmt;

use super::keys::{KEYS, Kind};
use super::layers::Values;

/// What `serve --print-config` prints. Secrets are named, never shown.
#[derive(Clone, Debug, Default)]
pub struct Effective(Values);

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Its key in the file.
    pub name: &'static str,
    pub variable: &'static str,
    pub help: &'static str,
    /// None where it is not set, or a secret.
    pub value: Option<String>,
    pub is_secret: bool,
    /// Where it was set; none where it was not.
    pub source: Option<String>,
}

impl Effective {
    pub(super) fn new(values: Values) -> Self {
        Self(
            values
                .into_iter()
                .map(|(name, mut value)| {
                    if KEYS
                        .iter()
                        .any(|key| key.name == name && key.kind == Kind::Secret)
                    {
                        value.text.clear();
                    }
                    (name, value)
                })
                .collect(),
        )
    }

    /// Every setting there is, in the order of the file.
    #[must_use]
    pub fn all(&self) -> Vec<InForce> {
        let of = |key: &'static super::keys::Key| {
            let value = self.0.get(key.name);
            let is_secret = key.kind == Kind::Secret;
            InForce {
                name: key.name,
                variable: key.variable,
                help: key.help,
                value: value.filter(|_| !is_secret).map(|value| value.text.clone()),
                is_secret,
                source: value.map(|value| value.source.to_string()),
            }
        };
        KEYS.iter().map(of).collect()
    }
}

/// A file with every setting, all of them commented out: its help, its variable and its default.
#[must_use]
pub fn commented() -> String {
    let mut text = String::from(
        "# Settings of Hookgate. Each line that is commented out shows the default.\n\
         # Later wins: defaults, this file, the environment, flags. `hookgate serve --print-config`\n\
         # shows what is in force and where it comes from; a mistake is told with its key.\n",
    );
    let mut open_section = "";
    for key in KEYS {
        let (section, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if section != open_section {
            text.push_str(&format!("\n[{section}]\n"));
            open_section = section;
        }
        let advice = match key.kind {
            Kind::Secret => " Better kept out of files that others read.",
            _ => "",
        };
        let value = toml::Value::String(key.default.unwrap_or_default().to_owned());
        text.push_str(&format!(
            "# {}.{advice}\n# {} or --{}\n#{name} = {value}\n",
            key.help, key.variable, key.flag
        ));
    }
    text
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open_section = "";
        for key in KEYS {
            let (section, name) = key.name.split_once('.').unwrap_or(("", key.name));
            if section != open_section {
                write!(f, "\n[{section}]\n")?;
                open_section = section;
            }
            match self.0.get(key.name) {
                None => writeln!(f, "# {name} is not set ({})", key.variable)?,
                Some(value) if key.kind == Kind::Secret => {
                    writeln!(f, "# {name} is set and not shown ({})", value.source)?
                }
                Some(value) => {
                    let text = toml::Value::String(value.text.clone());
                    writeln!(f, "{:<44} # {}", format!("{name} = {text}"), value.source)?;
                }
            }
        }
        Ok(())
    }
}
