//! A past delivery with all that is needed to make it again: its events, and the plugins and the
//! delivery policy that it had then.
//!
//! Reads, prepares and runs again; nothing is sent, and nothing is compared: `verify` and `retrace` do that.

use std::sync::Arc;

use bytes::Bytes;

use super::Api;
use super::caller::bound;
use super::problem::{Kind, Problem};
use crate::domain::event::Event;
use crate::domain::ids::DeliveryId;
use crate::domain::key::Caller;
use crate::domain::parcel::{Item, Parcel};
use crate::domain::plugin::{ComponentDigest, PluginName, PluginUse};
use crate::domain::prepared::PipelineResult;
use crate::domain::queueing::Grouping;
use crate::domain::subscription::Subscription;
use crate::plugin::retrace::Step;
use crate::store::history::{PastAttempt, PastWish};

/// Plugins in their order, each with its config and the version that ran.
pub(super) type Steps = Vec<(PluginUse, ComponentDigest)>;

pub(super) struct Past {
    pub(super) id: DeliveryId,
    pub(super) subscription: Arc<Subscription>,
    /// One, or those that were folded or sent together.
    events: Vec<Arc<Event>>,
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
        let events = members(api, Arc::new(event), &attempt).await?;
        Ok(Self {
            id,
            subscription,
            events,
            attempt,
            wish,
        })
    }

    /// The events that go through the plugins, and those plugins: what was folded then is folded
    /// again, of what was merged the last one counts.
    pub(super) async fn made_of(&self, api: &Api) -> Result<(Vec<Arc<Event>>, Steps), Problem> {
        let ran = self.attempt.run.as_ref().map(|(_, ran)| &ran[..]);
        let mut ran = ran.unwrap_or_default();
        let mut events = self.events.clone();
        let is_fold = matches!(self.attempt.group, Some((Grouping::Fold, _))) && events.len() > 1;
        if let Some(((_, digest), rest)) = ran.split_first().filter(|_| is_fold) {
            let tenant = &self.subscription.tenant_name;
            let folded = api.plugins().fold_again(*digest, tenant, &events).await;
            let folded = folded
                .map_err(|why| conflict(format!("the plugin that folded then fails now: {why}")))?;
            (events, ran) = (vec![folded], rest);
        } else if is_fold {
            events.drain(..events.len() - 1);
        }
        let steps = self.steps(ran)?;
        Ok((events, steps))
    }

    /// What ran then, as it was configured then.
    fn steps(&self, ran: &[(PluginName, ComponentDigest)]) -> Result<Steps, Problem> {
        let mut configured = self.wish.plugins.iter();
        let steps = ran.iter().map(|(name, digest)| {
            let used = configured.find(|used| used.name == *name)?;
            Some((used.clone(), *digest))
        });
        steps.collect::<Option<_>>().ok_or_else(|| {
            conflict("the plugins that ran are not those of the configuration that is kept")
        })
    }

    /// The way of one of these events through those plugins; and what goes out of it, or how it
    /// ended.
    pub(super) async fn retrace(
        &self,
        api: &Api,
        event: Arc<Event>,
        steps: Steps,
    ) -> Result<(Vec<Step>, Result<Item, PipelineResult>), Problem> {
        let has_plugins = !steps.is_empty();
        let whose = (event.clone(), &self.subscription.tenant_name);
        let claims = api.claims().clone();
        let (way, prepared) = api
            .plugins()
            .retrace(whose, self.id.subscription, steps, claims)
            .await
            .map_err(|why| conflict(format!("a plugin of then cannot be run: {why}")))?;
        let made = match prepared.result {
            PipelineResult::Deliver(outgoing) => Ok(Item {
                event,
                outgoing: has_plugins.then_some(outgoing),
            }),
            ended => Err(ended),
        };
        Ok((way, made))
    }

    /// The body as the delivery policy of then makes it of these.
    pub(super) fn body(&self, api: &Api, items: Vec<Item>) -> Bytes {
        let mut subscription = Subscription::clone(&self.subscription);
        subscription.policy = self.wish.policy.clone();
        let parcel = Parcel {
            delivery: self.id,
            items,
            sequence: self
                .attempt
                .sequence
                .filter(|_| self.attempt.group.is_none()),
            group: self.attempt.group.clone(),
        };
        let parcel = parcel.for_policy(&subscription.policy);
        api.write_body(&subscription, &parcel)
    }
}

pub(super) fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Conflict, detail)
}

/// The events that it was made of: its own, or those that were folded or sent together.
async fn members(
    api: &Api,
    own: Arc<Event>,
    attempt: &PastAttempt,
) -> Result<Vec<Arc<Event>>, Problem> {
    let Some((Grouping::Fold | Grouping::Batch, members)) = &attempt.group else {
        return Ok(vec![own]);
    };
    let mut events = api.store().stored_events(members).await?;
    let missing = members.len().saturating_sub(events.len());
    if missing > 0 {
        let detail = format!(
            "the data of {missing} of its {} events is erased or older than what is kept",
            members.len()
        );
        return Err(conflict(detail));
    }
    events.sort_unstable_by_key(|event| event.id);
    Ok(events.into_iter().map(Arc::new).collect())
}
