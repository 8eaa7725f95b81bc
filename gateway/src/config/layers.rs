//! Lays the sources over one another: defaults, file, environment, flags.
//!
//! Everything is still text here; what it means is decided once, by `reader`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::keys::{KEYS, Key};
use super::{Environment, Flags, Mistake};

const DEFAULT_FILE: &str = "hookgate.toml";

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    Variable(&'static str),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) source: Source,
}

/// The winning value of every key that has one.
pub(super) type Values = BTreeMap<&'static str, Value>;

pub(super) fn collect(
    flags: &Flags,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Values {
    let mut values = Values::new();
    for key in KEYS {
        if let Some(default) = key.default {
            values.insert(
                key.name,
                Value {
                    text: default.to_owned(),
                    source: Source::Default,
                },
            );
        }
    }
    values.extend(file(flags.config_file.as_deref(), mistakes));
    for key in KEYS {
        if let Some(text) = environment.get(key.variable) {
            values.insert(
                key.name,
                Value {
                    text: text.to_owned(),
                    source: Source::Variable(key.variable),
                },
            );
        }
        if let Some(text) = flags.values.get(key.name) {
            values.insert(
                key.name,
                Value {
                    text: text.clone(),
                    source: Source::Flag(key.flag),
                },
            );
        }
    }
    values
}

/// A named file must be there; the default one may be missing.
fn file(named: Option<&Path>, mistakes: &mut Vec<Mistake>) -> Values {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let mut refuse = |rule: String| {
        mistakes.push(Mistake {
            key: path.display().to_string(),
            value: None,
            rule,
            source: None,
        });
        Values::new()
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Values::new();
        }
        Err(error) => return refuse(error.to_string()),
    };
    match text.parse::<toml::Table>() {
        Ok(table) => {
            let mut found = FromFile {
                path,
                values: Values::new(),
                mistakes,
            };
            found.table("", table);
            found.values
        }
        Err(error) => refuse(error.to_string().trim().replace('\n', "\n    ")),
    }
}

struct FromFile<'a> {
    path: &'a Path,
    values: Values,
    mistakes: &'a mut Vec<Mistake>,
}

impl FromFile<'_> {
    fn table(&mut self, prefix: &str, table: toml::Table) {
        for (name, value) in table {
            let name = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            let is_section = KEYS.iter().any(|key| {
                key.name
                    .strip_prefix(&name)
                    .is_some_and(|rest| rest.starts_with('.'))
            });
            match (Key::named(&name), value) {
                (Some(key), value) => self.value(key, &value),
                (None, toml::Value::Table(table)) if is_section => self.table(&name, table),
                (None, _) => self.refuse(name, "there is no such setting"),
            }
        }
    }

    fn value(&mut self, key: &'static Key, value: &toml::Value) {
        match text_of(value) {
            Some(text) => {
                self.values.insert(
                    key.name,
                    Value {
                        text,
                        source: Source::File(self.path.to_owned()),
                    },
                );
            }
            None => self.refuse(
                key.name.to_owned(),
                "must be a text, a number, true, false or a list of these",
            ),
        }
    }

    fn refuse(&mut self, key: String, rule: &str) {
        let source = Some(Source::File(self.path.to_owned()));
        self.mistakes.push(Mistake {
            key,
            value: None,
            rule: rule.to_owned(),
            source,
        });
    }
}

/// A list is the same as its members with commas.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(members) => Some(
            members
                .iter()
                .map(text_of)
                .collect::<Option<Vec<_>>>()?
                .join(","),
        ),
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
