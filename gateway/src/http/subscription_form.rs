//! A subscription as the API's users write it, and the rules it obeys.
//!
//! Every mistake is found before any is reported. What this version does not have yet is refused by
//! name, so that nobody believes to have switched it on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::problem::{FieldError, Problem};
use crate::domain::duration::parse_duration;
use crate::domain::headers;
use crate::domain::pattern::TypePattern;
use crate::domain::plugin::PluginUse;
use crate::domain::retry::RetrySchedule;
use crate::domain::subscription::{DeliveryPolicy, Format};
use crate::domain::target_url::{TargetRules, TargetUrl};
use crate::domain::tenant::TenantName;
use crate::store::subscriptions::Wish;

const MAX_EVENT_TYPES: usize = 100;
const MAX_LABELS: usize = 20;
const MAX_PLUGINS: usize = 16;
const MAX_TEXT_BYTES: usize = 1000;
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// What a subscriber chooses. Null and left out mean the default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriptionForm {
    /// Given once, on creation; `default` where it is left out.
    #[schema(value_type = Option<String>)]
    tenant: Option<Value>,
    #[schema(value_type = Option<String>)]
    description: Option<Value>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    #[schema(value_type = Option<Vec<String>>)]
    labels: Option<Value>,
    /// 1 to 100 patterns: `*` stands for a segment, a final `*` for the rest.
    #[schema(value_type = Vec<String>, example = json!(["invoice.*"]))]
    event_types: Option<Value>,
    #[schema(value_type = String, example = "https://example.com/hooks")]
    target_url: Option<Value>,
    /// Run in order on every event.
    #[schema(value_type = Option<Vec<PluginUse>>)]
    plugins: Option<Value>,
    #[schema(value_type = Option<DeliveryForm>)]
    delivery: Option<Value>,
    /// Later: must be empty.
    #[schema(value_type = Option<Vec<Object>>)]
    filters: Option<Value>,
    /// Later: must be `none`.
    #[schema(value_type = Option<String>)]
    verification: Option<Value>,
    /// Later: must be null.
    #[schema(value_type = Option<String>)]
    expires_at: Option<Value>,
}

/// How deliveries are made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct DeliveryForm {
    /// `event` or `raw`.
    #[schema(value_type = Option<Format>)]
    format: Option<Value>,
    /// Waits between attempts; the deployment's default where it is left out.
    #[schema(value_type = Option<Vec<String>>, example = json!(["5s", "5m"]))]
    retry_schedule: Option<Value>,
    /// The whole attempt: 1s to 30s.
    #[schema(value_type = Option<String>, example = "20s")]
    timeout: Option<Value>,
    /// 1 to 256.
    #[schema(value_type = Option<u16>)]
    max_in_flight: Option<Value>,
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    headers: Option<Value>,
    /// Only `v1` yet.
    #[schema(value_type = Option<String>)]
    signature: Option<Value>,
    /// What later versions have; here only the defaults.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    later: BTreeMap<String, Value>,
}

/// What a valid form says.
#[derive(Debug)]
pub struct Valid {
    pub tenant: Option<TenantName>,
    pub wish: Wish,
}

impl SubscriptionForm {
    /// # Errors
    /// 422 with every place that breaks a rule.
    pub fn read(body: Value, rules: &TargetRules) -> Result<Valid, Problem> {
        let mut check = Check::default();
        let form: Self = check.object("", body);
        let valid = form.valid(&mut check, rules);
        if check.errors.is_empty() {
            Ok(valid)
        } else {
            Err(Problem::fields(check.errors))
        }
    }

    fn valid(self, check: &mut Check, rules: &TargetRules) -> Valid {
        let description: String = check.value("/description", self.description);
        check.text("/description", &description);
        let labels: Vec<String> = check.value("/labels", self.labels);
        check.at_most("/labels", (labels.len(), MAX_LABELS));
        for label in &labels {
            check.text("/labels", label);
        }
        check.only("/filters", self.filters, &json!([]));
        check.only("/verification", self.verification, &json!("none"));
        check.only("/expires_at", self.expires_at, &Value::Null);
        let tenant: Option<String> = check.value("/tenant", self.tenant);
        let wish = Wish {
            description,
            metadata: check.metadata(self.metadata),
            labels,
            event_types: check.event_types(self.event_types),
            target: check.target(self.target_url, rules),
            plugins: check.plugins(self.plugins),
            policy: match self.delivery {
                Some(delivery) => check
                    .object::<DeliveryForm>("/delivery", delivery)
                    .valid(check),
                None => DeliveryPolicy::default(),
            },
        };
        Valid {
            tenant: tenant.and_then(|name| check.parsed("/tenant", name.parse())),
            wish,
        }
    }
}

/// Fields of later versions, and the value that says "without".
fn defaults_of_later() -> [(&'static str, Value); 9] {
    [
        ("ordering", json!("none")),
        ("on_blocked", json!({"until": "dead"})),
        ("debounce", Value::Null),
        ("batch", Value::Null),
        ("rate_limit", Value::Null),
        ("hook_signature", json!(false)),
        ("auth", Value::Null),
        ("ca_pem", Value::Null),
        ("mtls", Value::Null),
    ]
}

impl DeliveryForm {
    fn valid(self, check: &mut Check) -> DeliveryPolicy {
        let defaults = defaults_of_later();
        for (name, value) in self.later {
            let pointer = format!("/delivery/{name}");
            match defaults.iter().find(|(later, _)| *later == name) {
                Some((_, default)) => check.only(&pointer, Some(value), default),
                None => check.error(&pointer, "is not known; see /openapi.json for what is"),
            }
        }
        check.only("/delivery/signature", self.signature, &json!("v1"));
        let timeout = check.timeout(self.timeout);
        let max_in_flight: Option<u16> = check.value("/delivery/max_in_flight", self.max_in_flight);
        let max_in_flight = max_in_flight.unwrap_or(DeliveryPolicy::DEFAULT_MAX_IN_FLIGHT);
        if !(1..=256).contains(&max_in_flight) {
            check.error("/delivery/max_in_flight", "must be from 1 to 256");
        }
        DeliveryPolicy {
            format: check.format(self.format),
            retry_schedule: check.retry_schedule(self.retry_schedule),
            timeout,
            max_in_flight,
            headers: check.headers(self.headers),
        }
    }
}

/// Collects mistakes; what breaks a rule is replaced by a default, which nobody gets to see.
#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
}

impl Check {
    fn error(&mut self, pointer: &str, detail: impl ToString) {
        self.errors.push(FieldError {
            pointer: format!("#{pointer}"),
            detail: detail.to_string(),
        });
    }

    fn parsed<T, E: ToString>(&mut self, pointer: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.error(pointer, error)).ok()
    }

    fn value<T: DeserializeOwned + Default>(&mut self, pointer: &str, value: Option<Value>) -> T {
        match value {
            Some(value) => self
                .parsed(pointer, serde_json::from_value(value))
                .unwrap_or_default(),
            None => T::default(),
        }
    }

    /// A misspelt member is named by its own pointer.
    fn object<T: DeserializeOwned + Default>(&mut self, pointer: &str, value: Value) -> T {
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

    fn only(&mut self, pointer: &str, value: Option<Value>, default: &Value) {
        if value.is_some_and(|value| !value.is_null() && value != *default) {
            let detail = format!("is not in this version; leave it out or give {default}");
            self.error(pointer, detail);
        }
    }

    fn at_most(&mut self, pointer: &str, (count, max): (usize, usize)) {
        if count > max {
            self.error(pointer, format!("has {count} items, {max} are allowed"));
        }
    }

    fn text(&mut self, pointer: &str, text: &str) {
        if text.len() > MAX_TEXT_BYTES {
            self.error(pointer, format!("has more than {MAX_TEXT_BYTES} bytes"));
        }
        if text.chars().any(char::is_control) {
            self.error(pointer, "has control characters; remove them");
        }
    }

    fn metadata(&mut self, value: Option<Value>) -> Map<String, Value> {
        let metadata: Map<String, Value> = self.value("/metadata", value);
        self.storable("/metadata", &json!(metadata), MAX_METADATA_BYTES);
        metadata
    }

    /// Postgres keeps no NUL in JSON.
    fn storable(&mut self, pointer: &str, value: &Value, max_bytes: usize) {
        let text = value.to_string();
        if text.len() > max_bytes {
            self.error(pointer, format!("has more than {max_bytes} bytes as JSON"));
        }
        if text.contains("\\u0000") {
            self.error(pointer, "has NUL characters; remove them");
        }
    }

    fn event_types(&mut self, value: Option<Value>) -> Vec<TypePattern> {
        let texts: Vec<String> = self.value("/event_types", value);
        if texts.is_empty() && self.errors.iter().all(|e| e.pointer != "#/event_types") {
            self.error("/event_types", "must name at least one type, such as \"*\"");
        }
        self.at_most("/event_types", (texts.len(), MAX_EVENT_TYPES));
        texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| {
                self.parsed(
                    &format!("/event_types/{index}"),
                    text.parse::<TypePattern>(),
                )
            })
            .collect()
    }

    fn target(&mut self, value: Option<Value>, rules: &TargetRules) -> Option<TargetUrl> {
        let text: Option<String> = self.value("/target_url", value);
        match text {
            Some(text) => self.parsed("/target_url", TargetUrl::parse(&text, rules)),
            None => {
                let detail = "is missing; subscriptions without a target are not in this version";
                self.error("/target_url", detail);
                None
            }
        }
    }

    fn plugins(&mut self, value: Option<Value>) -> Vec<PluginUse> {
        let values: Vec<Value> = self.value("/plugins", value);
        self.at_most("/plugins", (values.len(), MAX_PLUGINS));
        let mut plugins = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let pointer = format!("/plugins/{index}");
            let used = serde_json::from_value::<PluginUse>(value);
            if let Some(used) = self.parsed(&pointer, used) {
                self.storable(
                    &format!("{pointer}/config"),
                    &used.config,
                    MAX_METADATA_BYTES,
                );
                plugins.push(used);
            }
        }
        plugins
    }

    fn timeout(&mut self, value: Option<Value>) -> Duration {
        let pointer = "/delivery/timeout";
        let text: Option<String> = self.value(pointer, value);
        let timeout = text.and_then(|text| self.parsed(pointer, parse_duration(&text)));
        let timeout = timeout.unwrap_or(DeliveryPolicy::DEFAULT_TIMEOUT);
        if !(Duration::from_secs(1)..=Duration::from_secs(30)).contains(&timeout) {
            self.error(pointer, "must be from 1s to 30s");
        }
        timeout
    }

    fn format(&mut self, value: Option<Value>) -> Format {
        match value.as_ref().and_then(Value::as_str) {
            Some("cloudevents-structured" | "cloudevents-binary") => {
                let detail = "is not in this version; event and raw are";
                self.error("/delivery/format", detail);
                Format::default()
            }
            _ => self.value("/delivery/format", value),
        }
    }

    fn retry_schedule(&mut self, value: Option<Value>) -> Option<RetrySchedule> {
        let pointer = "/delivery/retry_schedule";
        let texts: Option<Vec<String>> = self.value(pointer, value);
        let waits = texts?.iter().map(|text| parse_duration(text)).collect();
        let waits: Vec<Duration> = self.parsed(pointer, waits)?;
        self.parsed(pointer, RetrySchedule::new(waits))
    }

    fn headers(&mut self, value: Option<Value>) -> Vec<(Box<str>, Box<str>)> {
        let pointer = "/delivery/headers";
        let pairs: BTreeMap<String, String> = self.value(pointer, value);
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        self.parsed(pointer, headers::checked(pairs))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> TargetRules {
        TargetRules {
            allow_private_networks: true,
            allowed_ports: vec![],
        }
    }

    #[test]
    fn defaults_may_be_spelt_out() {
        let body = json!({
            "event_types": ["invoice.*"], "target_url": "http://127.0.0.1:9/", "filters": [],
            "verification": "none", "expires_at": null,
            "delivery": {"format": "event", "signature": "v1", "ordering": "none",
                "debounce": null, "rate_limit": null, "hook_signature": false, "auth": null,
                "retry_schedule": ["1s"], "timeout": "3s", "headers": {"X-Team": "ops"}}
        });
        let valid = SubscriptionForm::read(body, &open()).unwrap();
        assert_eq!(valid.wish.policy.timeout, Duration::from_secs(3));
        assert_eq!(valid.wish.policy.headers, [("x-team".into(), "ops".into())]);
    }

    #[test]
    fn each_mistake_is_named_by_its_place() {
        let with = |name: &str, value: Value| {
            let mut body = json!({"event_types": ["*"], "target_url": "http://127.0.0.1:9/"});
            body[name] = value;
            body
        };
        for (body, pointer) in [
            (json!([]), "#"),
            (with("event_types", json!([])), "#/event_types"),
            (with("event_types", json!("*")), "#/event_types"),
            (with("event_types", json!(["a", "b*"])), "#/event_types/1"),
            (with("target_url", json!(null)), "#/target_url"),
            (with("target_url", json!("ftp://a/")), "#/target_url"),
            (with("targets", json!("x")), "#/targets"),
            (with("filters", json!([{"exact": {}}])), "#/filters"),
            (with("verification", json!("echo")), "#/verification"),
            (with("tenant", json!("a b")), "#/tenant"),
            (with("description", json!("a\u{0}")), "#/description"),
            (with("metadata", json!({"a": "\u{0}"})), "#/metadata"),
            (with("plugins", json!([{"name": "A"}])), "#/plugins/0"),
            (
                with("plugins", json!([{"name": "a", "on_eror": "park"}])),
                "#/plugins/0",
            ),
            (
                with("delivery", json!({"ordering": "key"})),
                "#/delivery/ordering",
            ),
            (
                with("delivery", json!({"timeot": "1s"})),
                "#/delivery/timeot",
            ),
            (
                with("delivery", json!({"timeout": "1h"})),
                "#/delivery/timeout",
            ),
            (
                with("delivery", json!({"signature": "v1a"})),
                "#/delivery/signature",
            ),
            (
                with("delivery", json!({"format": "cloudevents-binary"})),
                "#/delivery/format",
            ),
            (
                with("delivery", json!({"retry_schedule": ["5"]})),
                "#/delivery/retry_schedule",
            ),
            (
                with("delivery", json!({"headers": {"host": "a"}})),
                "#/delivery/headers",
            ),
            (
                with("delivery", json!({"max_in_flight": 0})),
                "#/delivery/max_in_flight",
            ),
        ] {
            let text = body.to_string();
            let problem = SubscriptionForm::read(body, &open()).unwrap_err();
            let expected = FieldError {
                pointer: pointer.to_owned(),
                detail: String::new(),
            };
            let shown = format!("{problem:?}");
            assert!(
                shown.contains(&format!("{:?}", expected.pointer)),
                "{text}: {shown}"
            );
        }
    }
}
