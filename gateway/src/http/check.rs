//! Reads the members of a form one by one, and collects every mistake before any is reported.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::FieldError;

const MAX_TEXT_BYTES: usize = 1000;

/// Collects mistakes; what breaks a rule is replaced by a default, which nobody gets to see.
#[derive(Default)]
pub(super) struct Check {
    pub(super) errors: Vec<FieldError>,
}

impl Check {
    pub(super) fn error(&mut self, pointer: &str, detail: impl ToString) {
        self.errors.push(FieldError {
            pointer: format!("#{pointer}"),
            detail: detail.to_string(),
        });
    }

    pub(super) fn parsed<T, E: ToString>(
        &mut self,
        pointer: &str,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed.map_err(|error| self.error(pointer, error)).ok()
    }

    pub(super) fn value<T: DeserializeOwned + Default>(
        &mut self,
        pointer: &str,
        value: Option<Value>,
    ) -> T {
        match value {
            Some(value) => self
                .parsed(pointer, serde_json::from_value(value))
                .unwrap_or_default(),
            None => T::default(),
        }
    }

    /// A misspelt member is named by its own pointer.
    pub(super) fn object<T: DeserializeOwned + Default>(
        &mut self,
        pointer: &str,
        value: Value,
    ) -> T {
        if !value.is_object() {
            self.error(pointer, "must be a JSON object");
            return T::default();
        }
        serde_json::from_value(value).unwrap_or_else(|error| {
            let text = error.to_string();
            let name = text
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next());
            match name {
                Some(name) => self.error(&format!("{pointer}/{name}"), &text),
                None => self.error(pointer, &text),
            }
            T::default()
        })
    }

    pub(super) fn only(&mut self, pointer: &str, value: Option<Value>, default: &Value) {
        if value.is_some_and(|value| !value.is_null() && value != *default) {
            let detail = format!("is not in this version; leave it out or give {default}");
            self.error(pointer, detail);
        }
    }

    pub(super) fn at_most(&mut self, pointer: &str, (count, max): (usize, usize)) {
        if count > max {
            self.error(pointer, format!("has {count} items, {max} are allowed"));
        }
    }

    pub(super) fn text(&mut self, pointer: &str, text: &str) {
        if text.len() > MAX_TEXT_BYTES {
            self.error(pointer, format!("has more than {MAX_TEXT_BYTES} bytes"));
        }
        if text.chars().any(char::is_control) {
            self.error(pointer, "has control characters; remove them");
        }
    }

    /// Postgres keeps no NUL in JSON.
    pub(super) fn storable(&mut self, pointer: &str, value: &Value, max_bytes: usize) {
        let text = value.to_string();
        if text.len() > max_bytes {
            self.error(pointer, format!("has more than {max_bytes} bytes as JSON"));
        }
        if text.contains("\\u0000") {
            self.error(pointer, "has NUL characters; remove them");
        }
    }
}
