//! A subscription as the API's users write it, and the rules it obeys.
//!
//! Every mistake is found before any is reported. What this version does not have yet is refused by
//! name, so that nobody believes to have switched it on.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::check::Check;
use super::delivery_form::DeliveryForm;
use super::input::JsonText;
use super::problem::Problem;
use crate::domain::access::Auth;
use crate::domain::clock::Timestamp;
use crate::domain::filter::Filters;
use crate::domain::labels::MAX_LABELS;
use crate::domain::pattern::TypePattern;
use crate::domain::plugin::PluginUse;
use crate::domain::target_url::{TargetRules, TargetUrl};
use crate::domain::tenant::TenantName;
use crate::domain::verification::Verification;
use crate::store::subscriptions::Wish;

const MAX_EVENT_TYPES: usize = 100;
const MAX_PLUGINS: usize = 16;
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
    /// 1 to 100 patterns: `*` stands for a segment, a final `*` for the rest. The gateway's own
    /// notices (`hookgate.subscription.disabled` and others) go only to patterns that name them.
    #[schema(value_type = Vec<String>, example = json!(["invoice.*"]))]
    event_types: Option<Value>,
    /// Up to 50, all of which must hold. Each has one dialect: `exact`, `prefix` or `suffix` with
    /// CloudEvents attributes and texts; `data` with a JSON `pointer` and `eq`, `ne`, `in`, `gt`,
    /// `gte`, `lt`, `lte`, `prefix` or `exists`; `sql` with a CESQL expression; `all` or `any` with
    /// filters; `not` with a filter.
    #[schema(value_type = Option<Vec<Object>>, example = json!([
        {"exact": {"source": "billing"}},
        {"data": {"pointer": "/amount", "gte": 100}},
        {"sql": "subject LIKE 'eu-%'"}]))]
    filters: Option<Value>,
    #[schema(value_type = String, example = "https://example.com/hooks")]
    target_url: Option<Value>,
    /// Run in order on every event.
    #[schema(value_type = Option<Vec<PluginUse>>)]
    plugins: Option<Value>,
    #[schema(value_type = Option<DeliveryForm>)]
    delivery: Option<Value>,
    /// How the receiver consents before it gets anything: `none`, `echo` (it answers with the
    /// `X-Hook-Secret` that it was sent), `delayed` (it brings that secret back to `…/confirm`) or
    /// `cloudevents` (it answers OPTIONS with `WebHook-Allowed-Origin`). Until then: `pending`.
    #[schema(value_type = Option<Verification>)]
    verification: Option<Value>,
    /// When it ends unless it is given a later time (RFC 3339); null: never.
    #[schema(value_type = Option<String>, example = "2027-01-01T00:00:00Z")]
    expires_at: Option<Value>,
}

/// What a deployment allows.
#[derive(Clone, Copy, Debug)]
pub struct FormRules<'a> {
    pub targets: &'a TargetRules,
    /// The longest attempt.
    pub max_timeout: Duration,
}

/// What a valid form says.
#[derive(Debug)]
pub struct Valid {
    pub tenant: Option<TenantName>,
    pub wish: Wish,
}

/// The text of `filters` as it stands in a request: numbers keep their digits there, and lose them
/// in a [`Value`]. None where the request has no such member.
pub(super) fn filters_text(body: &JsonText) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Only<'a> {
        #[serde(borrow)]
        filters: Option<&'a RawValue>,
    }
    body.value.get("filters")?;
    let only: Only<'_> = serde_json::from_slice(&body.text).ok()?;
    Some(only.filters.map_or("null", RawValue::get).into())
}

impl SubscriptionForm {
    /// `filters` is the text of the member of that name, where there is one.
    ///
    /// # Errors
    /// 422 with every place that breaks a rule.
    pub fn read(
        body: Value,
        filters: Option<&str>,
        rules: &FormRules<'_>,
    ) -> Result<Valid, Problem> {
        let mut check = Check::default();
        let form: Self = check.object("", body);
        let valid = form.valid(&mut check, filters, rules);
        if check.errors.is_empty() {
            Ok(valid)
        } else {
            Err(Problem::fields(check.errors))
        }
    }

    fn valid(self, check: &mut Check, filters: Option<&str>, rules: &FormRules<'_>) -> Valid {
        let description: String = check.value("/description", self.description);
        check.text("/description", &description);
        let labels: Vec<String> = check.value("/labels", self.labels);
        check.at_most("/labels", (labels.len(), MAX_LABELS));
        for label in &labels {
            check.text("/labels", label);
        }
        let tenant: Option<String> = check.value("/tenant", self.tenant);
        let mut delivery: DeliveryForm = match self.delivery {
            Some(delivery) => check.object("/delivery", delivery),
            None => DeliveryForm::default(),
        };
        let access = (delivery.auth.take(), delivery.ca_pem.take());
        let access = check.access(access, rules.targets);
        let policy = delivery.valid(check, rules.max_timeout);
        let names = |name: &str| policy.headers.iter().any(|(given, _)| **given == *name);
        if matches!(access.auth, Some(Auth::OAuth2(_))) && names("authorization") {
            let detail = "contradicts auth.oauth2, which writes this header: leave one of them out";
            check.error("/delivery/headers/authorization", detail);
        }
        let wish = Wish {
            description,
            metadata: check.metadata(self.metadata),
            labels,
            event_types: check.event_types(self.event_types),
            filters: check.filters(filters),
            target: check.target(self.target_url, rules.targets),
            plugins: check.plugins(self.plugins),
            policy,
            access,
            verification: check.value("/verification", self.verification),
            expires_at: check.instant("/expires_at", self.expires_at),
        };
        Valid {
            tenant: tenant.and_then(|name| check.parsed("/tenant", name.parse())),
            wish,
        }
    }
}

impl Check {
    pub(super) fn filters(&mut self, text: Option<&str>) -> Filters {
        let text = text.filter(|text| *text != "null").unwrap_or("[]");
        Filters::parse(text).unwrap_or_else(|errors| {
            for error in errors {
                self.error(&format!("/filters{}", error.pointer), error.detail);
            }
            Filters::default()
        })
    }

    fn instant(&mut self, pointer: &str, value: Option<Value>) -> Option<Timestamp> {
        let text: Option<String> = self.value(pointer, value);
        let parsed = Timestamp::parse_rfc3339(&text?)
            .map_err(|_| "must be an RFC 3339 time such as 2027-01-01T00:00:00Z");
        self.parsed(pointer, parsed)
    }

    pub(super) fn event_types(&mut self, value: Option<Value>) -> Vec<TypePattern> {
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

    fn metadata(&mut self, value: Option<Value>) -> Map<String, Value> {
        let metadata: Map<String, Value> = self.value("/metadata", value);
        self.storable("/metadata", &json!(metadata), MAX_METADATA_BYTES);
        metadata
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

    fn read(body: Value) -> Result<Valid, Problem> {
        let filters = body.get("filters").map(Value::to_string);
        let rules = FormRules {
            targets: &open(),
            max_timeout: Duration::from_secs(10),
        };
        SubscriptionForm::read(body, filters.as_deref(), &rules)
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
        let valid = read(body).unwrap();
        assert_eq!(valid.wish.policy.timeout, Duration::from_secs(3));
        let bare = read(with("labels", json!([]))).unwrap();
        assert_eq!(bare.wish.policy.timeout, Duration::from_secs(10));
        assert_eq!(valid.wish.policy.headers, [("x-team".into(), "ops".into())]);
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({"event_types": ["*"], "target_url": "http://127.0.0.1:9/"});
        body[name] = value;
        body
    }

    fn assert_refused(cases: &[(Value, &str)]) {
        for (body, pointer) in cases {
            let shown = format!("{:?}", read(body.clone()).unwrap_err());
            assert!(shown.contains(&format!("{pointer:?}")), "{body}: {shown}");
        }
    }

    #[test]
    fn each_mistake_is_named_by_its_place() {
        assert_refused(&[
            (json!([]), "#"),
            (with("event_types", json!([])), "#/event_types"),
            (with("event_types", json!("*")), "#/event_types"),
            (with("event_types", json!(["a", "b*"])), "#/event_types/1"),
            (with("target_url", json!(null)), "#/target_url"),
            (with("target_url", json!("ftp://a/")), "#/target_url"),
            (with("targets", json!("x")), "#/targets"),
            (with("filters", json!({})), "#/filters"),
            (with("filters", json!([{"exact": {}}])), "#/filters/0/exact"),
            (with("filters", json!([{"sql": "1 +"}])), "#/filters/0/sql"),
            (with("verification", json!("ask")), "#/verification"),
            (with("expires_at", json!("tomorrow")), "#/expires_at"),
            (with("tenant", json!("a b")), "#/tenant"),
            (with("description", json!("a\u{0}")), "#/description"),
            (with("metadata", json!({"a": "\u{0}"})), "#/metadata"),
            (with("plugins", json!([{"name": "A"}])), "#/plugins/0"),
            (
                with("plugins", json!([{"name": "a", "on_eror": "park"}])),
                "#/plugins/0",
            ),
        ]);
    }

    #[test]
    fn mistakes_in_the_delivery_are_named_too() {
        assert_refused(&[
            (
                with("delivery", json!({"ordering": "keys"})),
                "#/delivery/ordering",
            ),
            (
                with("delivery", json!({"timeot": "1s"})),
                "#/delivery/timeot",
            ),
            (
                with("delivery", json!({"timeout": "11s"})),
                "#/delivery/timeout",
            ),
            (
                with("delivery", json!({"timeout": "1h"})),
                "#/delivery/timeout",
            ),
            (
                with("delivery", json!({"signature": "v2"})),
                "#/delivery/signature",
            ),
            (
                with(
                    "delivery",
                    json!({"signature": "v1a", "hook_signature": true}),
                ),
                "#/delivery/hook_signature",
            ),
            (
                with("delivery", json!({"format": "cloudevents"})),
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
                with("delivery", json!({"rate_limit": {"per": "1s", "max": 0}})),
                "#/delivery/rate_limit/max",
            ),
            (
                with("delivery", json!({"rate_limit": {"per": "1ms", "max": 5}})),
                "#/delivery/rate_limit/per",
            ),
            (
                with("delivery", json!({"max_in_flight": 0})),
                "#/delivery/max_in_flight",
            ),
        ]);
    }
}
