//! Replay, retry by filter, release: deliveries once more, counted first, then at their rate.
//!
//! The count is a first pass that changes nothing. The second parks a chunk and writes down how far
//! it came in one transaction, so a job that is taken over neither forgets nor repeats a chunk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::aside::AsideTally;
use super::{Jobs, Stopped};
use crate::domain::ids::{DeliveryId, EventId, TenantId};
use crate::domain::job::{ReleaseSpec, ReplaySpec, RetrySpec};
use crate::domain::subscription::{State, Subscription};
use crate::domain::target_url::TargetUrl;
use crate::log::{park_again, release_missed};
use crate::store::StoreError;
use crate::store::again::{AgainQuery, Found, MISSING};
use crate::store::job_lease::{JobLease, JobStep, LeasedJob};

/// Deliveries of one transaction.
const MAX_CHUNK: u32 = 500;
/// Requests under way at once to another URL.
const ASIDE_AT_ONCE: u32 = 8;

/// Where a job is, kept over the death of its node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    /// Tenants that are through.
    tenants_done: usize,
    after: i64,
    /// Found, by state.
    counts: BTreeMap<String, u64>,
    parked: u64,
    aside: AsideTally,
}

/// Spreads what is done evenly over time.
struct Pace {
    rate: u32,
    next_at: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1),
            next_at: Instant::now(),
        }
    }

    /// About a quarter of a second's worth.
    fn chunk(&self) -> u32 {
        (self.rate / 4).clamp(1, MAX_CHUNK)
    }

    /// Waits until `count` more may go. Time that was lost is not made up for.
    async fn wait(&mut self, count: u64) {
        sleep_until(self.next_at).await;
        let share = count as f64 / f64::from(self.rate);
        self.next_at = self.next_at.max(Instant::now()) + Duration::from_secs_f64(share);
    }
}

/// What is to be done with deliveries of one kind of job.
struct Order<'a> {
    queries: Vec<AgainQuery>,
    /// States that are wanted.
    states: &'a [String],
    rate: u32,
    /// Of a replay.
    subscription: Option<Arc<Subscription>>,
    target: Option<TargetUrl>,
}

impl Order<'_> {
    /// The delivery that is to be made again, and the state it is counted under. What waits or is
    /// under way will be delivered anyway; on the side it may go as well.
    fn wants(&self, found: &Found) -> Option<(DeliveryId, String)> {
        let is_left_alone = found.state == "pending" && self.target.is_none();
        let is_wanted = self.states.contains(&found.state) && !is_left_alone;
        is_wanted.then(|| (found.id, found.state.clone()))
    }
}

impl Jobs {
    pub(super) async fn replay(
        &self,
        job: &LeasedJob,
        spec: &ReplaySpec,
    ) -> Result<Value, Stopped> {
        let catalog = self.parts.store.catalog();
        let subscription = catalog
            .subscription(spec.subscription)
            .filter(|subscription| subscription.state != State::Deleted)
            .ok_or_else(|| Stopped::Failed("the subscription is gone".to_owned()))?;
        let target = spec.target_url.as_deref().and_then(TargetUrl::from_stored);
        let order = Order {
            queries: vec![AgainQuery {
                tenant: TenantId::new(spec.tenant),
                subscription: Some(spec.subscription),
                event: None,
                range: spec.range.clone(),
                states: None,
                missing_of: spec
                    .states
                    .iter()
                    .any(|state| state == MISSING)
                    .then(|| subscription.clone()),
            }],
            states: &spec.states,
            rate: spec.rate,
            subscription: Some(subscription),
            target,
        };
        self.again(job, &order).await
    }

    pub(super) async fn retry(&self, job: &LeasedJob, spec: &RetrySpec) -> Result<Value, Stopped> {
        let query = |tenant: &i32| AgainQuery {
            tenant: TenantId::new(*tenant),
            subscription: spec.subscription,
            event: spec.event,
            range: spec.range.clone(),
            states: Some(spec.states.clone()),
            missing_of: None,
        };
        let order = Order {
            queries: spec.tenants.iter().map(query).collect(),
            states: &spec.states,
            rate: spec.rate,
            subscription: None,
            target: None,
        };
        self.again(job, &order).await
    }

    async fn again(&self, job: &LeasedJob, order: &Order<'_>) -> Result<Value, Stopped> {
        let mut progress: Progress = saved(job);
        let mut counts = (job.done, job.total);
        if counts.1.is_none() {
            counts.1 = Some(self.count(order).await?);
            self.save(self.step(job.lease).await?, counts, &progress)
                .await?;
        }
        let mut pace = Pace::new(order.rate);
        while let Some(query) = order.queries.get(progress.tenants_done) {
            let page = self
                .parts
                .store
                .again_page(query, EventId::new(progress.after))
                .await?;
            let wanted: Vec<(DeliveryId, String)> = page
                .found
                .iter()
                .filter_map(|found| order.wants(found))
                .collect();
            let chunk = if order.target.is_some() {
                pace.chunk().min(ASIDE_AT_ONCE)
            } else {
                pace.chunk()
            };
            for part in chunks(&wanted, chunk as usize) {
                pace.wait(part.len() as u64).await;
                self.part(job.lease, order, part, (&mut counts, &mut progress))
                    .await?;
            }
            match page.next {
                Some(next) => progress.after = next.get(),
                None => {
                    progress.tenants_done += 1;
                    progress.after = 0;
                }
            }
            let step = self.step(job.lease).await?;
            self.save(step, counts, &progress).await?;
        }
        Ok(report(&progress, order.target.is_some()))
    }

    async fn count(&self, order: &Order<'_>) -> Result<u64, StoreError> {
        let mut total = 0;
        for query in &order.queries {
            let mut after = EventId::new(0);
            loop {
                let page = self.parts.store.again_page(query, after).await?;
                let wanted = page.found.iter().filter_map(|found| order.wants(found));
                total += wanted.count() as u64;
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        Ok(total)
    }

    /// One chunk: parked, or sent on the side, and written down.
    async fn part(
        &self,
        lease: JobLease,
        order: &Order<'_>,
        part: &[(DeliveryId, String)],
        (counts, progress): (&mut (u64, Option<u64>), &mut Progress),
    ) -> Result<(), Stopped> {
        let mut after = progress.clone();
        for (id, state) in part {
            *after.counts.entry(state.clone()).or_default() += 1;
            after.after = id.event.get();
        }
        let ids: Vec<DeliveryId> = part.iter().map(|(id, _)| *id).collect();
        if let (Some(target), Some(subscription)) = (&order.target, &order.subscription) {
            self.aside(&ids, subscription, target, &mut after.aside)
                .await?;
            let step = self.step(lease).await?;
            counts.0 += ids.len() as u64;
            self.save(step, *counts, &after).await?;
        } else {
            let mut step = self.step(lease).await?;
            after.parked += park_again(step.connection(), &ids).await?;
            counts.0 += ids.len() as u64;
            self.save(step, *counts, &after).await?;
        }
        *progress = after;
        Ok(())
    }

    async fn aside(
        &self,
        ids: &[DeliveryId],
        subscription: &Arc<Subscription>,
        target: &TargetUrl,
        tally: &mut AsideTally,
    ) -> Result<(), Stopped> {
        let sendings = ids.iter().map(|id| async move {
            let event = self.parts.store.stored_event(id.event, None).await?;
            let Some(event) = event else { return Ok(None) };
            let send = (self.parts.aside)(subscription.clone(), Arc::new(event), target.clone());
            Ok::<_, StoreError>(Some((id.event, send.await)))
        });
        for sent in join_all(sendings).await {
            if let Some((event, report)) = sent? {
                tally.add(event, report);
            }
        }
        Ok(())
    }

    pub(super) async fn release(
        &self,
        job: &LeasedJob,
        spec: &ReleaseSpec,
    ) -> Result<Value, Stopped> {
        let mut progress: Progress = saved(job);
        let total = match job.total {
            Some(total) => total,
            None => self.parts.store.count_missed(spec.subscription).await?,
        };
        let mut counts = (job.done, Some(total));
        let mut pace = Pace::new(spec.rate);
        loop {
            let mut step = self.step(job.lease).await?;
            let after = EventId::new(progress.after);
            let (released, last) =
                release_missed(step.connection(), spec.subscription, after, pace.chunk()).await?;
            counts.0 += released;
            progress.parked += released;
            progress.after = last.map_or(progress.after, EventId::get);
            self.save(step, counts, &progress).await?;
            if last.is_none() {
                return Ok(json!({"released": progress.parked}));
            }
            pace.wait(released).await;
        }
    }

    pub(super) async fn step(&self, lease: JobLease) -> Result<JobStep, Stopped> {
        let step = self.parts.store.job_step(lease).await?;
        step.ok_or(Stopped::Lost)
    }

    async fn save(
        &self,
        step: JobStep,
        counts: (u64, Option<u64>),
        progress: &Progress,
    ) -> Result<(), Stopped> {
        let saved = serde_json::to_value(progress).expect("progress is plain data");
        Ok(step.commit(counts, &saved).await?)
    }
}

/// Where an earlier run left off; the beginning where it cannot be read.
pub(super) fn saved<T: Default + for<'de> Deserialize<'de>>(job: &LeasedJob) -> T {
    let saved = job.saved.clone();
    saved
        .and_then(|saved| serde_json::from_value(saved).ok())
        .unwrap_or_default()
}

/// Chunks of about `size` that never part the deliveries of one event: the position that is written
/// down is an event.
fn chunks(wanted: &[(DeliveryId, String)], size: usize) -> Vec<&[(DeliveryId, String)]> {
    let mut chunks = Vec::new();
    let mut rest = wanted;
    while !rest.is_empty() {
        let mut end = size.clamp(1, rest.len());
        while end < rest.len() && rest[end].0.event == rest[end - 1].0.event {
            end += 1;
        }
        let (chunk, behind) = rest.split_at(end);
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

fn report(progress: &Progress, is_aside: bool) -> Value {
    let found: u64 = progress.counts.values().sum();
    if is_aside {
        return json!({
            "counts": progress.counts,
            "sent_aside": progress.aside.outcomes,
            "failures": progress.aside.failures,
        });
    }
    json!({
        "counts": progress.counts,
        "parked": progress.parked,
        "waited_already": found.saturating_sub(progress.parked),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::SubscriptionId;

    fn delivery(event: i64, subscription: i32) -> (DeliveryId, String) {
        let id = DeliveryId {
            event: EventId::new(event),
            subscription: SubscriptionId::new(subscription),
        };
        (id, "dead".to_owned())
    }

    #[test]
    fn a_chunk_never_ends_within_an_event() {
        let wanted: Vec<_> = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2)]
            .into_iter()
            .map(|(event, subscription)| delivery(event, subscription))
            .collect();
        let sizes = |size| -> Vec<usize> {
            let parts = chunks(&wanted, size);
            parts.iter().map(|part| part.len()).collect()
        };
        assert_eq!(sizes(1), [3, 1, 2]);
        assert_eq!(sizes(4), [4, 2]);
        assert_eq!(sizes(5), [6]);
        assert_eq!(sizes(100), [6]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_keeps_its_rate_and_makes_up_for_nothing() {
        let mut pace = Pace::new(100);
        assert_eq!(pace.chunk(), 25);
        let begun = Instant::now();
        for _ in 0..5 {
            pace.wait(25).await;
        }
        assert_eq!(begun.elapsed().as_millis(), 1000);
        tokio::time::advance(Duration::from_secs(60)).await;
        let later = Instant::now();
        for _ in 0..3 {
            pace.wait(25).await;
        }
        assert_eq!(later.elapsed().as_millis(), 500);
    }
}
