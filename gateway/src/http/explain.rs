//! Why a subscription gets an event or not: asked with either as it is, or as it might be.
//!
//! Answers from types and filters alone. What a plugin would say is asked with its dry run.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::caller::{Reader, bound};
use super::check::Check;
use super::input::JsonText;
use super::problem::{Problem, ProblemBody};
use crate::domain::event::Attributes;
use crate::domain::filter::{Candidate, Filters, Finding};
use crate::domain::ids::{EventId, SubscriptionId};
use crate::domain::key::Caller;
use crate::domain::labels::Labels;
use crate::domain::pattern::TypePattern;
use crate::domain::subscription::State as SubscriptionState;
use crate::ingest::flaw::{Flaw, Place};
use crate::ingest::json;

/// A subscription and an event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainForm<'a> {
    /// `event_types`, `labels` and `filters` of a subscription that might be made.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    subscription: Option<&'a RawValue>,
    /// One that there is, instead.
    subscription_id: Option<String>,
    /// An event as `POST /v1/events` takes it, or the id of one that there is.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    event: Option<&'a RawValue>,
}

/// What each rule says.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// Whether every rule holds.
    matches: bool,
    rules: Vec<RuleView>,
    /// Run on what matches, in this order, and may drop it.
    plugins: Vec<String>,
}

/// One rule of the subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// JSON pointer into the subscription.
    #[schema(example = "#/filters/0/exact")]
    rule: String,
    holds: bool,
    detail: String,
}

impl From<Finding> for RuleView {
    fn from(finding: Finding) -> Self {
        Self {
            rule: format!("#{}", finding.pointer),
            holds: finding.holds,
            detail: finding.detail,
        }
    }
}

/// What there is to know of a subscription.
struct Asked {
    event_types: Vec<TypePattern>,
    labels: Vec<String>,
    filters: Filters,
    plugins: Vec<String>,
    state: Option<SubscriptionState>,
}

/// Explain, rule by rule, why a subscription gets an event or not.
#[utoipa::path(post, path = "/v1/subscriptions/explain", tag = "subscriptions",
    request_body(content = Object, description = "`event` beside `subscription` or `subscription_id`"),
    responses((status = 200, body = Explanation),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn explain(
    Reader(caller): Reader,
    State(api): State<Api>,
    body: JsonText,
) -> Result<Json<Explanation>, Problem> {
    let form: ExplainForm<'_> = serde_json::from_slice(&body.text)
        .map_err(|error| field("", format!("{error}; give event and subscription_id")))?;
    let asked = match (form.subscription, &form.subscription_id) {
        (Some(draft), None) => draft_of(draft)?,
        (None, Some(id)) => kept(&api, &caller, id).await?,
        _ => {
            let detail = "is missing, or given beside subscription_id; give one of them";
            return Err(field("/subscription", detail));
        }
    };
    let event = form
        .event
        .ok_or_else(|| field("/event", "is missing; give an event or the id of one"))?;
    let (event_type, attributes, data) = match serde_json::from_str::<String>(event.get()) {
        Ok(id) => stored(&api, &caller, &id).await?,
        Err(_) => {
            let text = Bytes::copy_from_slice(event.get().as_bytes());
            let event = json::one(&text).map_err(within_event)?;
            (event.event_type.to_string(), event.attributes, event.data)
        }
    };
    let candidate = Candidate::new(&event_type, &attributes, &data);
    Ok(Json(explanation(&asked, &candidate)))
}

fn explanation(asked: &Asked, candidate: &Candidate<'_>) -> Explanation {
    let event_type = candidate.event_type();
    let mut patterns = asked.event_types.iter();
    let mut rules = vec![RuleView {
        rule: "#/event_types".to_owned(),
        holds: patterns.any(|pattern| pattern.wants(event_type)),
        detail: format!("the type is {event_type:?}"),
    }];
    if let Some(state) = asked.state {
        rules.push(RuleView {
            rule: "#/state".to_owned(),
            holds: state.takes_events(),
            detail: format!("the subscription is {state}"),
        });
    }
    if !asked.labels.is_empty() {
        let of_event = candidate.labels();
        rules.push(RuleView {
            rule: "#/labels".to_owned(),
            holds: Labels::new(&asked.labels).take(of_event),
            detail: match of_event {
                [] => "the event has no labels, so it is for everybody".to_owned(),
                labels => format!("the event is labelled {}", labels.join(", ")),
            },
        });
    }
    let are_met = rules.iter().all(|rule| rule.holds) && asked.filters.hold(candidate);
    let findings = asked.filters.explain(candidate);
    rules.extend(findings.into_iter().map(RuleView::from));
    Explanation {
        matches: are_met,
        rules,
        plugins: asked.plugins.clone(),
    }
}

fn draft_of(draft: &RawValue) -> Result<Asked, Problem> {
    #[derive(Deserialize)]
    struct Draft<'a> {
        event_types: Option<Value>,
        labels: Option<Value>,
        #[serde(borrow)]
        filters: Option<&'a RawValue>,
    }
    let draft: Draft<'_> = serde_json::from_str(draft.get())
        .map_err(|_| field("/subscription", "must be a JSON object"))?;
    let mut check = Check::default();
    let asked = Asked {
        event_types: check.event_types(draft.event_types),
        labels: check.value("/labels", draft.labels),
        filters: check.filters(draft.filters.map(RawValue::get)),
        plugins: Vec::new(),
        state: None,
    };
    if check.errors.is_empty() {
        return Ok(asked);
    }
    for error in &mut check.errors {
        error.pointer = error.pointer.replacen('#', "#/subscription", 1);
    }
    Err(Problem::fields(check.errors))
}

async fn kept(api: &Api, caller: &Caller, id: &str) -> Result<Asked, Problem> {
    let not_found = || Problem::not_found("subscription");
    let id: SubscriptionId = id.parse().map_err(|_| not_found())?;
    let record = api.store().subscription(id, bound(caller)).await?;
    let record = record.ok_or_else(not_found)?;
    let plugins = record.wish.plugins.iter();
    Ok(Asked {
        plugins: plugins.map(|used| used.name.to_string()).collect(),
        event_types: record.wish.event_types,
        labels: record.wish.labels,
        filters: record.wish.filters,
        state: Some(record.state.0),
    })
}

async fn stored(
    api: &Api,
    caller: &Caller,
    id: &str,
) -> Result<(String, Attributes, Bytes), Problem> {
    let not_found = || Problem::not_found("event");
    let id: EventId = id.parse().map_err(|_| not_found())?;
    let of = bound(caller);
    let event = api.store().event(id, of).await?.ok_or_else(not_found)?;
    let data = api.store().event_data(id, of).await?;
    let (data, attributes) = data.ok_or_else(not_found)?;
    Ok((event.event_type, attributes, data))
}

fn within_event(mut flaw: Flaw) -> Problem {
    if let Place::Body(pointer) = &mut flaw.place {
        pointer.insert_str(0, "/event");
    }
    flaw.into()
}

fn field(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::field(format!("#{pointer}"), detail)
}
