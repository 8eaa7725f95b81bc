//! `/v1/deliveries/{id}/verify`: makes a past delivery again, with the very plugins and the
//! configuration that it had, and compares the bytes.
//!
//! The same version, config and event give the same bytes; where they do not, or where something
//! that is needed is gone, the answer says which. Nothing is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Reader, bound};
use super::input::{Asked, Id};
use super::problem::{Kind, Problem, ProblemBody};
use crate::domain::attempt::Outcome;
use crate::domain::event::Event;
use crate::domain::ids::{ConfigVersion, DeliveryId};
use crate::domain::key::Caller;
use crate::domain::plugin::{ComponentDigest, PluginName, PluginUse};
use crate::domain::prepared::{Outgoing, PipelineResult};
use crate::domain::subscription::Subscription;
use crate::store::history::{PastAttempt, PastWish};

/// Writes the body that a delivery has; handed in, because deliveries are not this layer's.
pub type WriteBody = Arc<dyn Fn(&Subscription, &Event, Option<&Outgoing>) -> Bytes + Send + Sync>;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(verify, verify_again))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyQuery {
    /// The attempt's number; the last one that left something to compare where it is left out.
    attempt: Option<u16>,
}

/// What came of making a delivery again.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerifyView {
    #[schema(value_type = String)]
    delivery: DeliveryId,
    attempt: u16,
    outcome: Outcome,
    /// Whether it came to the same: the same bytes, or the same verdict.
    same: bool,
    /// What differs, or how it was compared.
    detail: String,
    /// SHA-256 of the body that went out, in hex.
    sent_sha256: Option<String>,
    /// The same of the body made now.
    now_sha256: Option<String>,
    /// What ran then, and ran again.
    plugins: Vec<VerifiedPlugin>,
    /// The subscription's configuration that was used.
    #[schema(value_type = i64)]
    config_version: ConfigVersion,
    /// False where plugins or delivery policy have changed since; it was verified with those of then.
    config_is_current: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct VerifiedPlugin {
    #[schema(value_type = String)]
    name: PluginName,
    #[schema(value_type = String)]
    digest: ComponentDigest,
}

/// Make a past delivery again and compare it with what was sent.
#[utoipa::path(get, path = "/v1/deliveries/{id}/verify", tag = "deliveries",
    params(("id" = String, Path), VerifyQuery),
    responses((status = 200, body = VerifyView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn verify(
    Reader(caller): Reader,
    State(api): State<Api>,
    Id(id): Id<DeliveryId>,
    Asked(query): Asked<VerifyQuery>,
) -> Result<Json<VerifyView>, Problem> {
    verified(&api, &caller, id, query.attempt).await.map(Json)
}

/// Make a past delivery again and compare it with what was sent.
#[utoipa::path(post, path = "/v1/deliveries/{id}/verify", tag = "deliveries",
    params(("id" = String, Path), VerifyQuery),
    responses((status = 200, body = VerifyView),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
pub async fn verify_again(
    reader: Reader,
    state: State<Api>,
    id: Id<DeliveryId>,
    query: Asked<VerifyQuery>,
) -> Result<Json<VerifyView>, Problem> {
    verify(reader, state, id, query).await
}

pub(super) fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Conflict, detail)
}

async fn verified(
    api: &Api,
    caller: &Caller,
    id: DeliveryId,
    number: Option<u16>,
) -> Result<VerifyView, Problem> {
    let past = Past::of(api, caller, id, |attempts| chosen(attempts, number)).await?;
    let (same, detail, now) = Again { api, past: &past }.compare().await?;
    let Past { attempt, wish, .. } = past;
    let hex = |hash: [u8; 32]| data_encoding::HEXLOWER.encode(&hash);
    Ok(VerifyView {
        delivery: id,
        attempt: attempt.number,
        outcome: attempt.outcome,
        same,
        detail,
        sent_sha256: attempt.body_hash.map(hex),
        now_sha256: now.map(hex),
        plugins: attempt
            .run
            .iter()
            .flat_map(|(_, plugins)| plugins.clone())
            .map(|(name, digest)| VerifiedPlugin { name, digest })
            .collect(),
        config_version: wish.version,
        config_is_current: wish.is_current,
    })
}

/// The attempt that is asked for: the last one that can be compared, or the one with the number.
fn chosen(attempts: Vec<PastAttempt>, number: Option<u16>) -> Result<PastAttempt, Problem> {
    let can_be_compared =
        |one: &PastAttempt| one.body_hash.is_some() || one.outcome == Outcome::Dropped;
    let Some(number) = number else {
        let last = attempts.into_iter().rfind(can_be_compared);
        return last.ok_or_else(|| {
            conflict("no attempt has sent anything yet, so there is nothing to compare")
        });
    };
    let found = attempts.into_iter().rfind(|one| one.number == number);
    let found = found.ok_or_else(|| Problem::not_found("attempt"))?;
    if can_be_compared(&found) {
        Ok(found)
    } else {
        let detail = format!("attempt {number} sent nothing, so there is nothing to compare");
        Err(conflict(detail))
    }
}

/// A past delivery with all that is needed to make it again.
pub(super) struct Past {
    pub(super) subscription: Arc<Subscription>,
    pub(super) event: Arc<Event>,
    pub(super) attempt: PastAttempt,
    pub(super) wish: PastWish,
}

impl Past {
    /// # Errors
    /// 404 where there is no such delivery, 409 where what it needs is gone; and what `choose` says
    /// of its attempts.
    pub(super) async fn of(
        api: &Api,
        caller: &Caller,
        id: DeliveryId,
        choose: impl FnOnce(Vec<PastAttempt>) -> Result<PastAttempt, Problem>,
    ) -> Result<Self, Problem> {
        let known = api.store().delivery(id, bound(caller)).await?;
        known.ok_or_else(|| Problem::not_found("delivery"))?;
        let attempt = choose(api.store().past_attempts(id).await?)?;
        let event = api.store().stored_event(id.event, bound(caller)).await?;
        let event = event
            .ok_or_else(|| conflict("the event's data is erased or older than what is kept"))?;
        let version = attempt.run.as_ref().map(|(version, _)| *version);
        let wish = api
            .store()
            .past_wish(id.subscription, version, attempt.at)
            .await?
            .ok_or_else(|| {
                conflict("the subscription's configuration of then is not kept any more")
            })?;
        let subscription = api.store().catalog().subscription(id.subscription);
        let subscription = subscription.ok_or_else(|| conflict("the subscription was deleted"))?;
        Ok(Self {
            subscription,
            event: Arc::new(event),
            attempt,
            wish,
        })
    }

    /// The body as the delivery policy of then makes it.
    pub(super) fn body(&self, api: &Api, outgoing: Option<&Outgoing>) -> Bytes {
        let mut subscription = Subscription::clone(&self.subscription);
        subscription.policy = self.wish.policy.clone();
        api.write_body(&subscription, &self.event, outgoing)
    }

    /// What ran then, as it was configured then.
    pub(super) fn steps(&self) -> Result<Vec<(PluginUse, ComponentDigest)>, Problem> {
        let Some((_, ran)) = &self.attempt.run else {
            return Ok(Vec::new());
        };
        let mut configured = self.wish.plugins.iter();
        let steps = ran.iter().map(|(name, digest)| {
            let used = configured.find(|used| used.name == *name)?;
            Some((used.clone(), *digest))
        });
        steps.collect::<Option<_>>().ok_or_else(|| {
            conflict("the plugins that ran are not those of the configuration that is kept")
        })
    }
}

struct Again<'a> {
    api: &'a Api,
    past: &'a Past,
}

type Compared = (bool, String, Option<[u8; 32]>);

impl Again<'_> {
    async fn compare(&self) -> Result<Compared, Problem> {
        let steps = self.past.steps()?;
        if steps.is_empty() {
            return Ok(self.compare_body(None));
        }
        let plugins = self.api.plugins();
        let tenant = &self.past.subscription.tenant_name;
        let claims = self.api.claims().clone();
        let whose = (self.past.event.clone(), tenant);
        let prepared = plugins
            .run_again(whose, self.past.subscription.id, steps, claims)
            .await
            .map_err(|why| conflict(format!("a plugin of then cannot be run: {why}")))?;
        let was_dropped = self.past.attempt.outcome == Outcome::Dropped;
        Ok(match prepared.result {
            PipelineResult::Deliver(outgoing) if !was_dropped => self.compare_body(Some(&outgoing)),
            PipelineResult::Deliver(_) => (
                false,
                "it was dropped then; the same plugins let it pass now".to_owned(),
                None,
            ),
            PipelineResult::Drop { reason } if was_dropped => {
                let same = self.past.attempt.reason.as_deref() == Some(&reason);
                (same, format!("dropped again: {reason}"), None)
            }
            PipelineResult::Drop { reason } => (
                false,
                format!("it was sent then; the same plugins drop it now: {reason}"),
                None,
            ),
            PipelineResult::Failed(failure) => {
                let detail = format!("{} fails now: {}", failure.plugin, failure.reason);
                (false, detail, None)
            }
        })
    }

    fn compare_body(&self, outgoing: Option<&Outgoing>) -> Compared {
        let body = self.past.body(self.api, outgoing);
        let now: [u8; 32] = Sha256::digest(&body).into();
        let same = self.past.attempt.body_hash == Some(now);
        let detail = if same {
            format!("the same {} bytes", body.len())
        } else {
            format!(
                "{} other bytes: a plugin is not deterministic, the gateway's public URL has \
                 changed, or another release wrote the body",
                body.len()
            )
        };
        (same, detail, Some(now))
    }
}
