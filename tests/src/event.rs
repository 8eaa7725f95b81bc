//! Events as a publisher would write them, one method a member.

use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A JSON event for `POST /v1/events`, with its data exactly as given.
#[derive(Clone, Debug)]
pub struct NewEvent {
    members: serde_json::Map<String, Value>,
    data: Box<RawValue>,
}

/// An event of this type about a small invoice.
#[must_use]
pub fn event(event_type: &str) -> NewEvent {
    let data = json!({"id": "inv_1", "status": "open", "amount": 120});
    NewEvent {
        members: serde_json::Map::from_iter([("type".to_owned(), event_type.into())]),
        data: serde_json::value::to_raw_value(&data).expect("it is JSON"),
    }
}

impl NewEvent {
    #[must_use]
    pub fn data(mut self, data: &Value) -> Self {
        self.data = serde_json::value::to_raw_value(data).expect("it is JSON");
        self
    }

    /// Data whose every byte counts: spaces, number forms and the order of members stay.
    ///
    /// # Panics
    /// Where `json` is not JSON.
    #[must_use]
    pub fn raw_data(mut self, json: &str) -> Self {
        self.data = RawValue::from_string(json.to_owned()).expect("the data is JSON");
        self
    }

    /// Any other member: `tenant`, `source`, `subject`, `time`, `id`, `key`, `headers`.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The request's body.
    #[must_use]
    pub fn to_body(&self) -> String {
        let members = serde_json::to_string(&self.members).expect("it is JSON");
        let open = members
            .strip_suffix('}')
            .expect("an object ends with a brace");
        format!("{open},\"data\":{}}}", self.data.get())
    }
}
