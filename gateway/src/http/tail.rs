//! `GET /v1/tail`: what is accepted on any node, as it comes, for who watches or takes all of it.
//!
//! Each event carries the place behind it, so a reader that was away goes on where it was and misses
//! nothing. A page is read only once the one before was written, so a slow reader costs one page and
//! holds up nobody. Nothing is recorded of a reader, and nothing goes by who subscribed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{LastingReader, scope};
use super::fields;
use super::input::Asked;
use super::page::parameter;
use super::problem::{Kind, Problem, ProblemBody};
use super::pull::gap;
use super::tail_frame::{self, TailedEvent};
use crate::domain::clock::Timestamp;
use crate::domain::pattern::TypePattern;
use crate::domain::pull_cursor::PullCursor;
use crate::store::tail::TailWish;

/// Most readers of one node at once.
pub(super) const MAX_TAILS: usize = 64;
/// Events of a page; few where each may bring a megabyte of data.
const PAGE_EVENTS: i64 = 200;
const PAGE_EVENTS_WITH_DATA: i64 = 16;
/// Longest silence on the line: what stands between would take it for dead.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// Pause between two looks, so that a busy log is not asked for each of its commits.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// More than any two nodes' clocks are apart.
const LATELY_MS: i64 = 60_000;
/// How soon a revoked key is noticed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(tail))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TailQuery {
    tenant: Option<String>,
    /// A pattern such as `invoice.*`.
    r#type: Option<String>,
    /// The `id` of the last event that was read: goes on behind it. The header `Last-Event-ID`, which
    /// browsers send when they come back, stands before it.
    after: Option<String>,
    /// Where to begin without a place: a time such as `2026-11-23T20:00:00Z`, or a duration back such
    /// as `24h`. Left out: now.
    since: Option<String>,
    /// Whether each event brings its data.
    #[serde(default)]
    data: bool,
}

/// Follow the events of all nodes, without end (server-sent events).
///
/// Each is an `event` with its place as `id`; hand that back to go on behind it. A `gap` tells of a
/// time whose events are not kept any more, a `problem` why the stream ends. Events that came in on
/// different nodes within the same moments may change places.
#[utoipa::path(get, path = "/v1/tail", tag = "events",
    params(TailQuery, ("last-event-id" = Option<String>, Header, description = "Like `after`, and stands before it")),
    responses((status = 200, body = TailedEvent, content_type = "text/event-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")))]
pub async fn tail(
    reader: LastingReader,
    State(api): State<Api>,
    Asked(query): Asked<TailQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = parameter("tenant", query.tenant.as_deref())?;
    let tenant = scope(&api, &reader.caller, tenant.as_ref())?;
    let pattern = parameter("type", query.r#type.as_deref())?;
    let cursor = begin(&api, &query, &headers).await?;
    let permit = api.tails().clone().try_acquire_owned().map_err(|_| {
        let detail =
            format!("{MAX_TAILS} readers follow this node already; ask another node, or later");
        Problem::new(Kind::Busy, detail)
    })?;
    let mut ready = VecDeque::new();
    ready.extend(gap(&api, &cursor).await?.as_ref().map(tail_frame::gap));
    // Said at once: a reader knows its place before the first event comes.
    ready.push_back(tail_frame::place(&cursor));
    let limit = if query.data {
        PAGE_EVENTS_WITH_DATA
    } else {
        PAGE_EVENTS
    };
    let tailing = Tailing {
        arrivals: api.arrivals().watch(),
        reader,
        wish: TailWish {
            tenant,
            with_data: query.data,
            limit,
        },
        pattern,
        cursor,
        ready,
        is_behind: true,
        wrote_at: Instant::now(),
        _permit: permit,
        api,
    };
    let frames = futures_util::stream::unfold(Some(tailing), next);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // NGINX would gather what is to be seen at once.
        (http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// Where a reader begins: behind what it has, else at the time that it names, else now.
async fn begin(api: &Api, query: &TailQuery, headers: &HeaderMap) -> Result<PullCursor, Problem> {
    let last = headers
        .get("last-event-id")
        .map(|last| last.to_str().unwrap_or_default());
    let after = last
        .filter(|last| !last.is_empty())
        .or(query.after.as_deref());
    if let Some(cursor) = parameter::<PullCursor>("after", after)? {
        if cursor.subscription.is_some() {
            let detail = "the query's after is the cursor of a subscription; the tail has its own";
            return Err(Problem::new(Kind::InvalidRequest, detail));
        }
        return Ok(cursor);
    }
    let now = api.store().clock().now();
    if let Some(since) = &query.since {
        let since = fields::instant(since, now).map_err(|(_, detail)| {
            Problem::new(Kind::InvalidRequest, format!("the query's since {detail}"))
        })?;
        return Ok(PullCursor::at(None, since));
    }
    // Behind what each lane holds now. A time would not do: the clocks of nodes are a little apart.
    let lately = Timestamp::from_ms((now.as_ms() - LATELY_MS).max(0));
    let mut cursor = PullCursor::at(None, lately);
    let news = api.store().lane_news(&cursor).await?;
    cursor.advance(&news, None, now);
    Ok(cursor)
}

/// One reader.
struct Tailing {
    api: Api,
    reader: LastingReader,
    wish: TailWish,
    pattern: Option<TypePattern>,
    cursor: PullCursor,
    arrivals: watch::Receiver<u64>,
    /// What is to be written next.
    ready: VecDeque<Bytes>,
    /// Whether there may be something to read already.
    is_behind: bool,
    wrote_at: Instant,
    _permit: OwnedSemaphorePermit,
}

async fn next(tailing: Option<Tailing>) -> Option<(Result<Bytes, Infallible>, Option<Tailing>)> {
    let mut tailing = tailing?;
    let frame = tailing.frame().await;
    match frame {
        Ok(frame) => Some((Ok(frame?), Some(tailing))),
        Err(problem) => Some((Ok(tail_frame::problem(problem)), None)),
    }
}

impl Tailing {
    /// What comes next; None where the gateway stops, and the reader goes elsewhere.
    async fn frame(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.wrote_at = Instant::now();
                return Ok(Some(frame));
            }
            if self.api.is_stopping() {
                return Ok(None);
            }
            if !self.reader.may_go_on(&self.api) {
                return Err(Problem::new(
                    Kind::UnknownKey,
                    "this key was revoked meanwhile",
                ));
            }
            if self.wrote_at.elapsed() >= MAX_SILENCE {
                // Also the net under what nobody was told of.
                self.look().await?;
                self.ready.push_back(tail_frame::place(&self.cursor));
            } else if self.is_behind {
                self.look().await?;
            } else {
                self.wait().await;
            }
        }
    }

    /// Reads a page of what came.
    async fn look(&mut self) -> Result<(), Problem> {
        // What comes from now on may be missed by this look, and brings about the next one.
        self.arrivals.mark_unchanged();
        let store = self.api.store();
        let now = store.clock().now();
        let news = store.lane_news(&self.cursor).await?;
        let page = store.tail((&self.cursor, &news), self.wish).await?;
        let is_full = page.len() as i64 >= self.wish.limit;
        let stopped_at = page.last().map(|last| last.headline.id).filter(|_| is_full);
        let before = self.cursor.clone();
        for passing in page {
            if self
                .pattern
                .as_ref()
                .is_some_and(|only| !only.matches(&passing.headline.event_type))
            {
                continue;
            }
            let mut place = before.clone();
            place.advance(&news, Some(passing.headline.id), now);
            self.ready
                .push_back(tail_frame::event(&self.api, passing, &place));
        }
        self.cursor.advance(&news, stopped_at, now);
        self.is_behind = is_full;
        Ok(())
    }

    async fn wait(&mut self) {
        let check_at = Instant::now() + CHECK_EVERY;
        let look_at = Instant::now() + LOOK_PAUSE;
        let stopping = self.api.stopping().clone();
        tokio::select! {
            changed = self.arrivals.changed() => {
                self.is_behind = changed.is_ok();
                sleep_until(look_at).await;
            }
            () = sleep_until(check_at) => {}
            () = stopping.cancelled() => {}
        }
    }
}
