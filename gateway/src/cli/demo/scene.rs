//! The three subscriptions of the demo, what each asks of its plugin, and what is right for each.
//!
//! What `match` keeps is told here once more, in a few lines of its own, so that the demo does not
//! believe the plugin that it shows.

use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A subscription of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Every event as it came.
    Plain,
    /// Every event, made small.
    Skinny,
    /// Some events, as they came.
    Match,
}

/// Which payloads are sent, and so what the plugins are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Shop,
    GitHub,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Skinny, Self::Match];

    /// Its name, and that of its plugin where it has one.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Skinny => "skinny",
            Self::Match => "match",
        }
    }

    pub(super) fn path(self) -> String {
        format!("/{}", self.name())
    }

    pub(super) fn with_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.path() == path)
    }

    /// What its plugin is asked for; nothing without a plugin.
    pub(super) fn config(self, theme: Theme) -> Option<Value> {
        match self {
            Self::Plain => None,
            Self::Skinny => Some(json!({"keep": kept_pointers(theme), "data_url": true})),
            Self::Match => Some(json!({"all": rules(theme)})),
        }
    }

    /// The body that makes it over REST.
    pub(super) fn form(self, theme: Theme, target_url: &str) -> Value {
        let plugins: Vec<Value> = self
            .config(theme)
            .map(|config| json!({"name": self.name(), "config": config}))
            .into_iter()
            .collect();
        json!({
            "description": format!("demo: {}", self.name()),
            "event_types": ["*"],
            "target_url": target_url,
            "plugins": plugins,
        })
    }

    /// Whether an event with this data is to arrive.
    pub(super) fn wants(self, theme: Theme, data: &RawValue) -> bool {
        let data: Value = serde_json::from_str(data.get()).unwrap_or_default();
        self != Self::Match
            || rules(theme).iter().all(|rule| {
                let found = rule["pointer"].as_str().and_then(|at| data.pointer(at));
                found.is_some_and(|found| stands(rule, found))
            })
    }

    /// What is wrong with the data that arrived for an event with this data.
    pub(super) fn fault(self, theme: Theme, sent: &RawValue, arrived: &RawValue) -> Option<String> {
        if self != Self::Skinny {
            let is_same = sent.get() == arrived.get();
            return (!is_same).then(|| "its data is not, byte for byte, what was sent".to_owned());
        }
        let sent: Value = serde_json::from_str(sent.get()).unwrap_or_default();
        let mut arrived: Value = serde_json::from_str(arrived.get()).unwrap_or_default();
        let url = arrived
            .as_object_mut()
            .and_then(|data| data.remove("data_url"));
        if !url.is_some_and(|url| url.is_string()) {
            return Some("it has no data_url".to_owned());
        }
        let mut expected = json!({});
        for pointer in kept_pointers(theme) {
            if let Some(value) = sent.pointer(pointer) {
                put(&mut expected, pointer, value.clone());
            }
        }
        (arrived != expected).then(|| format!("it holds {arrived}, but should hold {expected}"))
    }
}

fn kept_pointers(theme: Theme) -> &'static [&'static str] {
    match theme {
        Theme::Shop => &["/id", "/order", "/status", "/total_cents", "/customer/id"],
        Theme::GitHub => &[
            "/action",
            "/repository/full_name",
            "/sender/login",
            "/issue/number",
            "/pull_request/number",
            "/ref",
            "/after",
        ],
    }
}

fn rules(theme: Theme) -> Vec<Value> {
    match theme {
        Theme::Shop => vec![json!({"pointer": "/total_cents", "gte": 10_000})],
        Theme::GitHub => vec![
            json!({"pointer": "/repository/full_name", "eq": "Codertocat/Hello-World"}),
            json!({"pointer": "/action", "in": ["opened", "created", "published", "completed"]}),
        ],
    }
}

/// The comparisons that [`rules`] has.
fn stands(rule: &Value, found: &Value) -> bool {
    let is_equal = rule.get("eq").is_none_or(|value| value == found);
    let is_in = rule["in"]
        .as_array()
        .is_none_or(|values| values.contains(found));
    let is_enough = rule["gte"]
        .as_i64()
        .is_none_or(|least| found.as_i64().is_some_and(|found| found >= least));
    is_equal && is_in && is_enough
}

fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for name in pointer.split('/').skip(1) {
        place = &mut place[name];
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_right_is_told_from_what_is_wrong() {
        let sent = raw(r#"{"id":"a","total_cents":9999,"customer":{"id":7,"name":"N"}}"#);
        assert!(!Role::Match.wants(Theme::Shop, &sent));
        assert!(Role::Match.wants(Theme::Shop, &raw(r#"{"total_cents":10000}"#)));
        assert!(!Role::Match.wants(Theme::GitHub, &raw(r#"{"action":"opened"}"#)));
        assert!(Role::Plain.fault(Theme::Shop, &sent, &sent).is_none());
        assert!(Role::Plain.fault(Theme::Shop, &sent, &raw("{}")).is_some());

        let slim = raw(r#"{"id":"a","total_cents":9999,"customer":{"id":7},"data_url":"u"}"#);
        assert!(Role::Skinny.fault(Theme::Shop, &sent, &slim).is_none());
        let fault = Role::Skinny.fault(Theme::Shop, &sent, &sent);
        assert_eq!(fault.unwrap(), "it has no data_url");
        let poor = raw(r#"{"id":"a","data_url":"u"}"#);
        assert!(Role::Skinny.fault(Theme::Shop, &sent, &poor).is_some());
    }
}
