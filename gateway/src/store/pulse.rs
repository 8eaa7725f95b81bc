//! What all nodes saw lately, in steps of ten seconds: written by each, read for charts.
//!
//! Kept for little more than an hour and lost in a crash of the database; nothing is decided by it.

use std::collections::HashMap;
use std::time::Duration;

use super::{Store, StoreError};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{NodeId, TenantId};
use crate::telemetry::pulse::Counts;

/// Length of a step.
pub const STEP: Duration = Duration::from_secs(10);
/// How far back there is anything.
pub const KEPT: Duration = Duration::from_secs(3600);
/// Rows of the tables by tenant and by node.
const MAX_PARTS: i64 = 20;

/// What was seen in one step, or of one tenant or node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub events: u64,
    pub accepted: u64,
    pub failed: u64,
    pub ended: u64,
    pub latency: Vec<u64>,
}

impl Seen {
    fn of([events, accepted, failed, ended]: [i64; 4], latency: Vec<i64>) -> Self {
        let whole = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            events: whole(events),
            accepted: whole(accepted),
            failed: whole(failed),
            ended: whole(ended),
            latency: latency.into_iter().map(whole).collect(),
        }
    }
}

/// A step with what was seen in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Timestamp,
    pub seen: Seen,
}

/// What has been due longest of the deliveries that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldestDue {
    pub tenant: TenantId,
    pub due_at: Timestamp,
}

impl Store {
    /// Adds what a node saw to the step that is now.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn add_pulse(
        &self,
        node: NodeId,
        seen: &HashMap<TenantId, Counts>,
    ) -> Result<(), StoreError> {
        let count = |of: fn(&Counts) -> u32| -> Vec<i32> {
            let values = seen.values();
            values
                .map(|counts| i32::try_from(of(counts)).unwrap_or(i32::MAX))
                .collect()
        };
        let tenants: Vec<i32> = seen.keys().map(|tenant| tenant.get()).collect();
        let latency: Vec<String> = seen
            .values()
            .map(|counts| {
                let parts = counts.latency.map(|part| part.to_string());
                format!("{{{}}}", parts.join(","))
            })
            .collect();
        sqlx::query!(
            "insert into pulse as p (at, node_id, tenant_id, events, accepted, failed, ended, latency)
             select date_bin('10 seconds', now(), 'epoch'), $1, u.tenant, u.events, u.accepted,
               u.failed, u.ended, u.latency::int[]
             from unnest($2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::text[])
               as u (tenant, events, accepted, failed, ended, latency)
             on conflict (at, node_id, tenant_id) do update set events = p.events + excluded.events,
               accepted = p.accepted + excluded.accepted, failed = p.failed + excluded.failed,
               ended = p.ended + excluded.ended,
               latency = (select array_agg(a + b order by n)
                 from unnest(p.latency, excluded.latency) with ordinality as both_of (a, b, n))",
            node.get(),
            &tenants,
            &count(|counts| counts.events),
            &count(|counts| counts.accepted),
            &count(|counts| counts.failed),
            &count(|counts| counts.ended),
            &latency
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Throws away what is older than an hour and ten minutes.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn forget_pulse(&self) -> Result<(), StoreError> {
        sqlx::query!("delete from pulse where at < now() - interval '70 minutes'")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The steps of the last `back` in which anything was seen, oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pulse(
        &self,
        of: Option<TenantId>,
        back: Duration,
    ) -> Result<Vec<Step>, StoreError> {
        let rows = sqlx::query!(
            r#"with part as (select * from pulse where at > now() - make_interval(secs => $2)
                 and ($1::int is null or tenant_id = $1)),
               spread as (select at, n, sum(count) as count from part,
                   unnest(latency) with ordinality as u (count, n) group by at, n)
               select p.at, sum(p.events) as "events!", sum(p.accepted) as "accepted!",
                 sum(p.failed) as "failed!", sum(p.ended) as "ended!",
                 (select array_agg(s.count::bigint order by s.n) from spread s where s.at = p.at)
                   as "latency!"
               from part p group by p.at order by p.at"#,
            of.map(TenantId::get),
            back.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?;
        let steps = rows.into_iter().map(|row| Step {
            at: row.at.into(),
            seen: Seen::of(
                [row.events, row.accepted, row.failed, row.ended],
                row.latency,
            ),
        });
        Ok(steps.collect())
    }

    /// The busiest tenants of the last `back`, busiest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pulse_by_tenant(
        &self,
        of: Option<TenantId>,
        back: Duration,
    ) -> Result<Vec<(TenantId, Seen)>, StoreError> {
        let rows = sqlx::query!(
            r#"select tenant_id, sum(events) as "events!", sum(accepted) as "accepted!",
                 sum(failed) as "failed!", sum(ended) as "ended!"
               from pulse where at > now() - make_interval(secs => $2)
                 and ($1::int is null or tenant_id = $1)
               group by tenant_id order by sum(events + accepted + failed) desc limit $3"#,
            of.map(TenantId::get),
            back.as_secs_f64(),
            MAX_PARTS
        )
        .fetch_all(&self.pool)
        .await?;
        let parts = rows.into_iter().map(|row| {
            let counts = [row.events, row.accepted, row.failed, row.ended];
            (TenantId::new(row.tenant_id), Seen::of(counts, Vec::new()))
        });
        Ok(parts.collect())
    }

    /// What each node saw in the last `back`.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pulse_by_node(&self, back: Duration) -> Result<Vec<(NodeId, Seen)>, StoreError> {
        let rows = sqlx::query!(
            r#"select node_id, sum(events) as "events!", sum(accepted) as "accepted!",
                 sum(failed) as "failed!", sum(ended) as "ended!"
               from pulse where at > now() - make_interval(secs => $1)
               group by node_id order by node_id limit $2"#,
            back.as_secs_f64(),
            MAX_PARTS
        )
        .fetch_all(&self.pool)
        .await?;
        let parts = rows.into_iter().map(|row| {
            let counts = [row.events, row.accepted, row.failed, row.ended];
            (NodeId::new(row.node_id), Seen::of(counts, Vec::new()))
        });
        Ok(parts.collect())
    }

    /// Whose parked deliveries have been due longest, longest first. Looks at the eight oldest of
    /// each bucket, so it costs the same whatever waits.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn oldest_due(&self, of: Option<TenantId>) -> Result<Vec<OldestDue>, StoreError> {
        let rows = sqlx::query!(
            r#"select s.tenant_id, min(p.due_at) as "due_at!"
               from generate_series(0, 255) as b
               cross join lateral (select subscription_id, due_at from parked
                 where bucket = b and due_at <= now() order by due_at, id limit 8) p
               join subscription s on s.id = p.subscription_id
               where $1::int is null or s.tenant_id = $1
               group by s.tenant_id order by min(p.due_at) limit $2"#,
            of.map(TenantId::get),
            MAX_PARTS
        )
        .fetch_all(&self.pool)
        .await?;
        let oldest = rows.into_iter().map(|row| OldestDue {
            tenant: TenantId::new(row.tenant_id),
            due_at: row.due_at.into(),
        });
        Ok(oldest.collect())
    }
}
