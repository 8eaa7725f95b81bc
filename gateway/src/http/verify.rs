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
use super::caller::Reader;
use super::input::{Asked, Id};
use super::past::{Past, conflict};
use super::problem::{Problem, ProblemBody};
use crate::domain::attempt::Outcome;
use crate::domain::ids::{ConfigVersion, DeliveryId};
use crate::domain::key::Caller;
use crate::domain::parcel::{Item, Parcel};
use crate::domain::plugin::{ComponentDigest, PluginName};
use crate::domain::prepared::PipelineResult;
use crate::domain::subscription::Subscription;
use crate::store::history::PastAttempt;

/// Writes the body that a delivery has; handed in, because deliveries are not this layer's.
pub type WriteBody = Arc<dyn Fn(&Subscription, &Parcel) -> Bytes + Send + Sync>;

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

struct Again<'a> {
    api: &'a Api,
    past: &'a Past,
}

type Compared = (bool, String, Option<[u8; 32]>);

impl Again<'_> {
    async fn compare(&self) -> Result<Compared, Problem> {
        let (events, steps) = self.past.made_of(self.api).await?;
        let mut items = Vec::new();
        let mut end = None;
        for event in events {
            let (_, made) = self.past.retrace(self.api, event, steps.clone()).await?;
            match made {
                Ok(item) => items.push(item),
                Err(ended) => end = Some(ended),
            }
        }
        Ok(self.judge(items, end))
    }

    /// What is to be sent, or how it ends; of a batch some may be sent and others dropped.
    fn judge(&self, items: Vec<Item>, end: Option<PipelineResult>) -> Compared {
        let was_dropped = self.past.attempt.outcome == Outcome::Dropped;
        let is_sent = !items.is_empty();
        match end {
            Some(PipelineResult::Failed(failure)) => {
                let detail = format!("{} fails now: {}", failure.plugin, failure.reason);
                (false, detail, None)
            }
            _ if is_sent && !was_dropped => self.compare_body(items),
            _ if is_sent => (
                false,
                "it was dropped then; the same plugins let it pass now".to_owned(),
                None,
            ),
            Some(PipelineResult::Drop { reason }) if was_dropped => {
                let same = self.past.attempt.reason.as_deref() == Some(&reason);
                (same, format!("dropped again: {reason}"), None)
            }
            Some(PipelineResult::Drop { reason }) => (
                false,
                format!("it was sent then; the same plugins drop it now: {reason}"),
                None,
            ),
            _ => (false, "there is nothing to make it of".to_owned(), None),
        }
    }

    fn compare_body(&self, items: Vec<Item>) -> Compared {
        let body = self.past.body(self.api, items);
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
