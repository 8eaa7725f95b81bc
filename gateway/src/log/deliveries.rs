//! What people ask of single deliveries: again, not any more, go on. All of it acts on parked rows,
//! and needs no lock: a row that goes or comes is a fact that its bucket's owner finds.

use std::time::Duration;

use tracing::warn;

use crate::domain::attempt::Outcome;
use crate::domain::ids::{BucketId, DeliveryId, EventId, SubscriptionId};
use crate::domain::queueing::OrderKey;

use super::Log;
use super::error::{CancelError, LogError};
use super::session::in_time;
use super::work::ParkReason;

/// Rows woken by one statement, so that a long queue does not make a long transaction.
const WAKE_ROWS: i64 = 5_000;

/// Longer than an outcome takes from the engine to its row.
const WAKE_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What a wish to deliver again came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is due now.
    Parked,
    /// It was waiting already; that stays as it is.
    Waiting,
    /// It has no outcome yet: it is under way.
    UnderWay,
    /// There is no such event, or the subscription never took it.
    Unknown,
}

/// Where a delivery stands.
struct Standing {
    is_wanted: bool,
    is_parked: bool,
    has_ended: bool,
}

impl Log {
    /// Parks an event, due now, for subscriptions that a newer configuration says want it. Durable
    /// when it returns; harmless for those that have it already.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn park_late(
        &self,
        event: EventId,
        subscriptions: &[(SubscriptionId, Option<OrderKey>)],
    ) -> Result<(), LogError> {
        let ids: Vec<i32> = subscriptions.iter().map(|(id, _)| id.get()).collect();
        let orders = subscriptions
            .iter()
            .map(|(_, order)| order.map(OrderKey::get));
        let orders: Vec<Option<i64>> = orders.collect();
        let buckets: Vec<i16> = subscriptions
            .iter()
            .map(|(id, _)| BucketId::of(*id).get())
            .collect();
        let query = sqlx::query!(
            "insert into parked (bucket, event_id, subscription_id, lane, due_at, reason, order_key)
             select p.bucket, $1, p.subscription_id, $2, case when p.order_key is null then now() else '-infinity' end, $3, p.order_key
             from unnest($4::smallint[], $5::int[], $6::bigint[]) as p (bucket, subscription_id, order_key)
             where not exists (select from event e where e.lane = $2 and e.id = $1 and p.subscription_id = any(e.targets))
             on conflict do nothing",
            event.get(),
            event.lane().get(),
            ParkReason::Late.code(),
            &buckets,
            &ids,
            &orders as _
        );
        in_time(query.execute(&self.pool)).await.map(drop)
    }

    /// Delivers once more, with the count of attempts going on.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn retry(&self, delivery: DeliveryId) -> Result<Retried, LogError> {
        let standing = self.standing(delivery).await?;
        if !standing.is_wanted {
            return Ok(Retried::Unknown);
        }
        if standing.is_parked {
            return Ok(Retried::Waiting);
        }
        if !standing.has_ended {
            return Ok(Retried::UnderWay);
        }
        let DeliveryId {
            event,
            subscription,
        } = delivery;
        let query = sqlx::query!(
            "insert into parked (bucket, event_id, subscription_id, lane, due_at, number, reason, sequence, members, grouping_code)
             select $1, $2, $3, $4, now(), made.number, $5, made.sequence, kept.members, kept.grouping_code
             from (select coalesce(max(number) filter (where outcome <= 6), 0) as number, max(sequence) as sequence
                   from attempt where lane = $4 and event_id = $2 and subscription_id = $3) made
             left join lateral (select members, grouping_code from attempt
               where lane = $4 and event_id = $2 and subscription_id = $3 and members is not null
               order by at desc limit 1) kept on true
             on conflict do nothing",
            BucketId::of(subscription).get(),
            event.get(),
            subscription.get(),
            event.lane().get(),
            ParkReason::Replay.code()
        );
        let parked = in_time(query.execute(&self.pool)).await?.rows_affected();
        Ok(if parked > 0 {
            Retried::Parked
        } else {
            Retried::Waiting
        })
    }

    /// Ends a delivery that waits. One whose attempt is under way is recorded as cancelled all the
    /// same: that attempt is its last. The next one of its order becomes due, so that the order's owner looks.
    ///
    /// # Errors
    /// [`CancelError::UnderWay`] where it is in some node's memory only.
    pub async fn cancel(&self, delivery: DeliveryId) -> Result<(), CancelError> {
        let query = sqlx::query!(
            "with gone as (delete from parked where subscription_id = $1 and event_id = $2 returning id, bucket, lane, number, order_key),
             next as (
               update parked n set due_at = now() from gone
               where n.bucket = gone.bucket and n.order_key = gone.order_key and n.id = (
                 select min(m.id) from parked m
                 where m.bucket = gone.bucket and m.order_key = gone.order_key and m.order_key is not null and m.reason <> 4 and m.id > gone.id)
                 and n.due_at = '-infinity')
             insert into attempt (event_id, subscription_id, lane, number, outcome, duration_ms, node_id, is_final)
             select $2, $1, gone.lane, gone.number + 1, $3, 0, $4, true from gone",
            delivery.subscription.get(),
            delivery.event.get(),
            Outcome::Cancelled.code(),
            self.shared.ctx.node.get()
        );
        if in_time(query.execute(&self.pool)).await?.rows_affected() > 0 {
            return Ok(());
        }
        let standing = self.standing(delivery).await?;
        Err(match standing {
            Standing {
                is_wanted: false, ..
            } => CancelError::Unknown(delivery.event),
            Standing {
                has_ended: true, ..
            } => CancelError::Ended,
            _ => CancelError::UnderWay,
        })
    }

    /// Makes due what waits for one of `reasons`: the subscription was resumed, the plugin mended.
    /// Returns how many deliveries that was. Looks once more a little later, because an attempt
    /// that began before the change may park its delivery after the first look.
    ///
    /// # Errors
    /// Where the database cannot be asked; what was woken until then stays so.
    pub async fn wake(
        &self,
        subscription: SubscriptionId,
        reasons: &[ParkReason],
    ) -> Result<u64, LogError> {
        let reasons: Vec<i16> = reasons.iter().map(|reason| reason.code()).collect();
        let woken = self.wake_now(subscription, &reasons).await?;
        let log = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = log.shared.stop.soft.cancelled() => {}
                () = tokio::time::sleep(WAKE_AGAIN_AFTER) => {
                    if let Err(error) = log.wake_now(subscription, &reasons).await {
                        warn!(%subscription, %error, "late parked deliveries could not be woken");
                    }
                }
            }
        });
        Ok(woken)
    }

    async fn wake_now(
        &self,
        subscription: SubscriptionId,
        reasons: &[i16],
    ) -> Result<u64, LogError> {
        let mut woken = 0;
        loop {
            let query = sqlx::query!(
                "update parked set due_at = now() where id in (
                   select id from parked
                   where subscription_id = $1 and reason = any($2) and due_at > now()
                   order by event_id limit $3)
                 and subscription_id = $1 and bucket = $4",
                subscription.get(),
                reasons,
                WAKE_ROWS,
                BucketId::of(subscription).get()
            );
            let rows = in_time(query.execute(&self.pool)).await?.rows_affected();
            woken += rows;
            if rows == 0 {
                return Ok(woken);
            }
        }
    }

    async fn standing(&self, delivery: DeliveryId) -> Result<Standing, LogError> {
        let query = sqlx::query!(
            r#"select
               exists (select from event e where e.lane = $1 and e.id = $2
                       and ($3 = any(e.targets) or $3 = any(e.keyed))) as "is_target!",
               exists (select from parked p where p.subscription_id = $3 and p.event_id = $2) as "is_parked!",
               exists (select from attempt a where a.lane = $1 and a.event_id = $2 and a.subscription_id = $3) as "was_tried!",
               exists (select from attempt a where a.lane = $1 and a.event_id = $2 and a.subscription_id = $3 and a.is_final) as "has_ended!""#,
            delivery.event.lane().get(),
            delivery.event.get(),
            delivery.subscription.get()
        );
        let row = in_time(query.fetch_one(&self.pool)).await?;
        Ok(Standing {
            is_wanted: row.is_target || row.is_parked || row.was_tried,
            is_parked: row.is_parked,
            has_ended: row.has_ended,
        })
    }
}
