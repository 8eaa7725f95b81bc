//! The settings in force, as a TOML file that says where each value comes from.

use std::fmt;

use super::keys::{KEYS, Kind};
use super::layers::Values;

/// What `serve --print-config` prints. Secrets are named, never shown.
#[derive(Clone, Debug)]
pub struct Effective(Values);

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
