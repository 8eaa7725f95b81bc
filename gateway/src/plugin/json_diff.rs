//! Where two JSON values differ, as places and values. Bounded, because it is shown to people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest text of one value that is shown; longer ones are cut.
const MAX_VALUE_CHARS: usize = 200;
const MAX_PATH_CHARS: usize = 256;
/// Deeper than this, values are compared whole.
const MAX_DEPTH: usize = 64;

/// One place that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// JSON pointer; `content-type` or `header:` and a name for what is beside the data.
    pub path: String,
    /// None where it was not there.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

impl Change {
    /// Cuts what is long.
    #[must_use]
    pub fn new(path: &str, before: Option<&Value>, after: Option<&Value>) -> Self {
        Self {
            path: path.chars().take(MAX_PATH_CHARS).collect(),
            before: before.map(shown),
            after: after.map(shown),
        }
    }
}

/// At most `max` places, in the order of the members; true where there are more.
#[must_use]
pub fn diff(before: &Value, after: &Value, max: usize) -> (Vec<Change>, bool) {
    let mut found = Found {
        changes: Vec::new(),
        max,
        has_more: false,
    };
    found.compare(&mut String::new(), (before, after), 0);
    (found.changes, found.has_more)
}

struct Found {
    changes: Vec<Change>,
    max: usize,
    has_more: bool,
}

impl Found {
    fn compare(&mut self, path: &mut String, (before, after): (&Value, &Value), depth: usize) {
        if self.has_more || before == after {
            return;
        }
        match (before, after) {
            (Value::Object(one), Value::Object(other)) if depth < MAX_DEPTH => {
                let added = other.keys().filter(|name| !one.contains_key(*name));
                for name in one.keys().chain(added) {
                    let pair = (one.get(name), other.get(name));
                    self.member(path, &escaped(name), pair, depth);
                }
            }
            (Value::Array(one), Value::Array(other)) if depth < MAX_DEPTH => {
                for index in 0..one.len().max(other.len()) {
                    let pair = (one.get(index), other.get(index));
                    self.member(path, &index.to_string(), pair, depth);
                }
            }
            _ => self.push(path, Some(before), Some(after)),
        }
    }

    fn member(
        &mut self,
        path: &mut String,
        name: &str,
        pair: (Option<&Value>, Option<&Value>),
        depth: usize,
    ) {
        let length = path.len();
        path.push('/');
        path.push_str(name);
        match pair {
            (Some(before), Some(after)) => self.compare(path, (before, after), depth + 1),
            (before, after) => self.push(path, before, after),
        }
        path.truncate(length);
    }

    fn push(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) {
        if self.changes.len() < self.max {
            self.changes.push(Change::new(path, before, after));
        } else {
            self.has_more = true;
        }
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn shown(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => value.to_string(),
        _ => return value.clone(),
    };
    if text.chars().count() <= MAX_VALUE_CHARS {
        return value.clone();
    }
    let cut: String = text.chars().take(MAX_VALUE_CHARS).collect();
    Value::String(cut + "…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_pointers_and_the_rest_is_left_out() {
        let before = json!({"id": 1, "a/b": {"c~": [1, 2, {"d": true}]}, "gone": null});
        let after = json!({"id": 1, "a/b": {"c~": [1, 3, {"d": true}, 4]}, "new": "x"});
        let (changes, has_more) = diff(&before, &after, 10);
        let shown: Vec<_> = changes
            .iter()
            .map(|change| {
                (
                    change.path.as_str(),
                    change.before.clone(),
                    change.after.clone(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("/a~1b/c~0/1", Some(json!(2)), Some(json!(3))),
                ("/a~1b/c~0/3", None, Some(json!(4))),
                ("/gone", Some(json!(null)), None),
                ("/new", None, Some(json!("x"))),
            ]
        );
        assert!(!has_more);
    }

    #[test]
    fn it_is_bounded_in_number_and_in_size() {
        let many: Value = (0..100).map(|n| json!(n)).collect::<Vec<_>>().into();
        let none = json!(vec![Value::Null; 100]);
        let (changes, has_more) = diff(&many, &none, 5);
        assert_eq!((changes.len(), has_more), (5, true));
        let long = json!({"text": "é".repeat(10_000)});
        let (changes, _) = diff(&json!({}), &long, 5);
        let after = changes[0].after.as_ref().unwrap().as_str().unwrap();
        assert_eq!(after.chars().count(), MAX_VALUE_CHARS + 1);
        let (changes, _) = diff(&json!(null), &long, 5);
        assert_eq!(changes[0].path, "");
    }
}
