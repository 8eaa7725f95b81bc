//! `/v1/subscriptions/{id}/events`: the events of a subscription for somebody who fetches them.
//!
//! The same filters and plugins as for deliveries, and the body of a delivery with the format `event`;
//! but nothing is recorded, retried or signed: the reader's cursor is all that is kept, and the
//! reader keeps it. What can be told no more is told: days past their retention, erased events,
//! events whose plugin failed.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Reader, bound};
use super::input::{Asked, Id};
use super::page;
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::event::Event;
use crate::domain::filter::Candidate;
use crate::domain::ids::{DeliveryId, EventId, SubscriptionId};
use crate::domain::parcel::Parcel;
use crate::domain::prepared::PipelineResult;
use crate::domain::pull_cursor::PullCursor;
use crate::domain::subscription::{Format, State as Standing, Subscription};

const MAX_WAIT: Duration = Duration::from_secs(30);
/// Events that are read at once, and most that are looked at for one answer: a reader whose filters
/// take few gets an empty page and a cursor further on.
const PAGE_EVENTS: usize = 100;
const MAX_SEARCHED: usize = 5000;
/// Most data of one answer; the last event may exceed it.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(pull))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PullQuery {
    /// `next` of the answer before. Left out: from when the subscription was made.
    after: Option<String>,
    /// Seconds to wait for an event where there is none, 0 to 30; 0 where it is left out.
    wait: Option<u64>,
    /// 1 to 500; 50 where it is left out.
    limit: Option<u16>,
}

/// Events in the order in which they were accepted, as far as lanes agree on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pulled {
    data: Vec<PulledEvent>,
    /// Where to go on; also where there was nothing.
    next: String,
    /// Whether more is there already.
    more: bool,
    /// Events of these types that were erased: they are passed over.
    #[serde(skip_serializing_if = "is_zero")]
    erased: u32,
    /// What the reader came too late for.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A time whose events are not kept any more: some may have been missed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Gap {
    since: String,
    until: String,
}

/// One event as the subscription's plugins left it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PulledEvent {
    /// The delivery that it would have been; the same each time that it is fetched.
    #[schema(value_type = String)]
    delivery: DeliveryId,
    /// The body that a delivery has; null where its plugins failed.
    #[schema(value_type = Option<Value>)]
    event: Option<Box<RawValue>>,
    /// Why there is none. Fetch it again with an older cursor once the plugin is mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<PullFailure>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PullFailure {
    plugin: String,
    reason: String,
}

/// Fetch events instead of having them delivered.
///
/// Waits up to `wait` seconds for the first one. Hand `next` back as `after`; whoever repeats a
/// request gets the same events again.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/events", tag = "subscriptions",
    params(("id" = String, Path), PullQuery), responses((status = 200, body = Pulled),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn pull(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<SubscriptionId>,
    Asked(query): Asked<PullQuery>,
) -> Result<Json<Pulled>, Problem> {
    let record = api.store().subscription(id, bound(&caller)).await?;
    let record = record.ok_or_else(|| Problem::not_found("subscription"))?;
    let given: Option<PullCursor> = page::parameter("after", query.after.as_deref())?;
    let cursor = given.unwrap_or_else(|| PullCursor::at(Some(id), record.created_at));
    if cursor.subscription != Some(id) {
        let detail = "the query's after is the cursor of another subscription, or of the tail";
        return Err(Problem::new(Kind::InvalidRequest, detail));
    }
    let wait = Duration::from_secs(query.wait.unwrap_or(0)).min(MAX_WAIT);
    let reading = Reading {
        gap: gap(&api, &cursor).await?,
        api,
        id,
        cursor,
        limit: page::limit(query.limit).into(),
        data: Vec::new(),
        erased: 0,
    };
    reading.wait_for_some(wait).await.map(Json)
}

/// Only who was away for hours can have come too late.
pub(super) async fn gap(api: &Api, cursor: &PullCursor) -> Result<Option<Gap>, Problem> {
    let now = api.store().clock().now();
    if now.since(cursor.read_until) < Duration::from_secs(3600) {
        return Ok(None);
    }
    let kept_since = api.store().kept_since().await?;
    Ok(kept_since
        .filter(|kept_since| *kept_since > cursor.read_until)
        .map(|kept_since| Gap {
            since: cursor.read_until.to_rfc3339(),
            until: kept_since.to_rfc3339(),
        }))
}

/// One answer on its way.
struct Reading {
    api: Api,
    id: SubscriptionId,
    cursor: PullCursor,
    limit: usize,
    data: Vec<PulledEvent>,
    erased: u32,
    gap: Option<Gap>,
}

impl Reading {
    async fn wait_for_some(mut self, wait: Duration) -> Result<Pulled, Problem> {
        let until = Instant::now() + wait;
        let mut arrivals = (!wait.is_zero()).then(|| self.api.arrivals().watch());
        loop {
            let more = self.read().await?;
            let left = until.saturating_duration_since(Instant::now());
            let has_news = !self.data.is_empty() || more || self.erased > 0 || self.gap.is_some();
            let Some(arrivals) = arrivals.as_mut().filter(|_| !has_news && !left.is_zero()) else {
                return Ok(self.answer(more));
            };
            let stopping = self.api.stopping();
            tokio::select! {
                _ = timeout(left, arrivals.changed()) => {}
                // A gateway that stops sends its readers elsewhere.
                () = stopping.cancelled() => return Ok(self.answer(false)),
            }
        }
    }

    fn answer(self, more: bool) -> Pulled {
        Pulled {
            data: self.data,
            next: self.cursor.to_string(),
            more,
            erased: self.erased,
            gap: self.gap,
        }
    }

    /// Reads until the answer is full or nothing is left; says whether something is.
    async fn read(&mut self) -> Result<bool, Problem> {
        let catalog = self.api.store().catalog();
        let subscription = catalog.subscription(self.id);
        let subscription = subscription.filter(|it| it.state != Standing::Deleted);
        let subscription = subscription.ok_or_else(|| Problem::not_found("subscription"))?;
        let now = self.api.store().clock().now();
        let mut news = self.api.store().lane_news(&self.cursor).await?;
        let (mut searched, mut bytes) = (0, 0);
        while !news.is_empty() {
            if searched >= MAX_SEARCHED
                || bytes >= MAX_ANSWER_BYTES
                || self.data.len() >= self.limit
            {
                return Ok(true);
            }
            let places = (&self.cursor, news.as_slice());
            let tenant = subscription.tenant;
            let mut found = self
                .api
                .store()
                .next_events(tenant, places, PAGE_EVENTS)
                .await?;
            searched += found.len();
            let is_last = found.len() < PAGE_EVENTS;
            // What the answer has no room for is read again by the next one.
            let room = self.limit - self.data.len();
            let mut taken = Vec::new();
            let mut stopped_at = (!is_last).then(|| found[found.len() - 1].event.id);
            for found in found.drain(..) {
                if !wants(&subscription, &found.event, found.is_erased) {
                    continue;
                }
                if taken.len() == room || bytes >= MAX_ANSWER_BYTES {
                    stopped_at = Some(EventId::new(found.event.id.get() - 1));
                    break;
                }
                if found.is_erased {
                    self.erased += 1;
                } else {
                    bytes += found.event.data.len();
                    taken.push(Arc::new(found.event));
                }
            }
            self.transform(&subscription, taken).await;
            self.cursor.advance(&news, stopped_at, now);
            if stopped_at.is_none() {
                return Ok(false);
            }
            news = self.api.store().lane_news(&self.cursor).await?;
        }
        self.cursor.advance(&[], None, now);
        Ok(false)
    }

    async fn transform(&mut self, subscription: &Arc<Subscription>, events: Vec<Arc<Event>>) {
        let mut shown = Subscription::clone(subscription);
        shown.policy.format = Format::Event;
        let pipeline = self.api.plugins().pipeline(self.api.claims().clone());
        let prepared = pipeline.run(subscription, events.clone()).await;
        for (event, prepared) in events.iter().zip(prepared) {
            let delivery = DeliveryId {
                event: event.id,
                subscription: subscription.id,
            };
            let (body, failed) = match prepared.result {
                PipelineResult::Drop { .. } => continue,
                PipelineResult::Deliver(outgoing) => {
                    let parcel = Parcel::of(subscription.id, event.clone(), Some(outgoing));
                    let body = self.api.write_body(&shown, &parcel);
                    (body_json(&body), None)
                }
                PipelineResult::Failed(failure) => {
                    let failure = PullFailure {
                        plugin: failure.plugin.to_string(),
                        reason: failure.reason,
                    };
                    (None, Some(failure))
                }
            };
            self.data.push(PulledEvent {
                delivery,
                event: body,
                failed,
            });
        }
    }
}

fn body_json(body: &[u8]) -> Option<Box<RawValue>> {
    let text = String::from_utf8(body.to_vec()).ok()?;
    RawValue::from_string(text).ok()
}

/// Of an erased event only the type is left to go by.
fn wants(subscription: &Subscription, event: &Event, is_erased: bool) -> bool {
    let mut patterns = subscription.event_types.iter();
    let is_type = patterns.any(|pattern| pattern.wants(&event.event_type));
    let candidate = Candidate::new(&event.event_type, &event.attributes, &event.data);
    let is_labelled = subscription.labels.take(candidate.labels());
    is_type && (is_erased || (is_labelled && subscription.filters.hold(&candidate)))
}
