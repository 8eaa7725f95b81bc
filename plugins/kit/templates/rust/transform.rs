//! Tells the receiver what happened to which id, and nothing else.

use hookgate_plugin::json::RawValue;
use hookgate_plugin::{Event, Failure, Transform, Verdict};
use serde::{Deserialize, Serialize};

/// What a subscription may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Goes with every message.
    note: Option<String>,
}

/// What is read of the data; a raw value keeps its text, digit by digit.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    id: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// The plugin.
pub struct Plugin;

impl Transform for Plugin {
    type Config = Config;

    fn handle(event: Event, config: &Config) -> Result<Verdict, Failure> {
        let data: Data = event.json()?;
        let Some(id) = data.id else {
            return Ok(Verdict::Drop("the data has no id".into()));
        };
        let message = Message { r#type: &event.event_type, id, note: config.note.as_deref() };
        Ok(Verdict::replace_json(&message)?)
    }
}

hookgate_plugin::export!(Plugin as transform);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_without_id_is_dropped() {
        let event = hookgate_plugin::testing::event(r#"{"total": 7}"#);
        let verdict = Plugin::handle(event, &Config { note: None });
        assert_eq!(verdict, Ok(Verdict::Drop("the data has no id".into())));
    }
}
