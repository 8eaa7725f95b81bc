//! The running side of jobs: a node leases a job, writes each step under its lease, and lets go.
//!
//! A lease is a row with an epoch and an end by the database's clock. A node that died, hangs or
//! was cut off lets it run out, and another takes the job over where its last step left it. Each
//! step is one transaction that first proves the lease, so whoever lost it can change nothing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::Notify;

use super::jobs::count;
use super::{Store, StoreError};
use crate::domain::ids::{JobId, NodeId, TenantId};
use crate::domain::job::JobSpec;

/// How long a lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(8);

/// Proof that this node runs a job, for as long as nobody else took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLease {
    pub id: JobId,
    epoch: i32,
}

impl JobLease {
    /// How often the job has been taken up, this time included.
    #[must_use]
    pub fn times_taken(self) -> i32 {
        self.epoch
    }
}

/// A job that this node is to run.
#[derive(Clone, Debug)]
pub struct LeasedJob {
    pub lease: JobLease,
    pub tenant: Option<TenantId>,
    pub spec: JobSpec,
    pub done: u64,
    pub total: Option<u64>,
    /// Where an earlier run left off.
    pub saved: Option<Value>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    Done { result: Value },
    Failed { reason: String },
}

/// A step under way: whatever is done on its connection counts only if the lease holds.
#[derive(Debug)]
pub struct JobStep {
    tx: Transaction<'static, Postgres>,
    lease: JobLease,
}

impl Store {
    /// Wakes when this node made or cancelled a job; a hint, not a promise.
    #[must_use]
    pub fn jobs_changed(&self) -> Arc<Notify> {
        Arc::clone(&self.jobs_changed)
    }

    /// Takes the next job of `kinds` that waits or whose node is gone, of the tenant with the
    /// fewest under way.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn lease_job(
        &self,
        node: NodeId,
        kinds: &[&str],
    ) -> Result<Option<LeasedJob>, StoreError> {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let row = sqlx::query!(
            r#"update job set state = 'running', epoch = epoch + 1, node_id = $1,
                 lease_until = now() + make_interval(secs => $2),
                 started_at = coalesce(started_at, now())
               where id = (
                 select j.id from job j
                 where j.kind = any($3) and (j.state = 'queued'
                   or (j.state = 'running' and j.lease_until < now()))
                 order by (select count(*) from job r where r.state = 'running'
                   and r.lease_until >= now() and r.tenant_id is not distinct from j.tenant_id), j.id
                 limit 1 for update skip locked)
               returning id, epoch, tenant_id, spec::text as "spec!", done, total,
                 saved::text as saved"#,
            node.get(),
            LEASE.as_secs_f64(),
            &kinds
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let unreadable = |error: serde_json::Error| StoreError::Unreadable {
            table: "job",
            id: row.id,
            reason: error.to_string(),
        };
        let saved = row.saved.as_deref().map(serde_json::from_str).transpose();
        Ok(Some(LeasedJob {
            lease: JobLease {
                id: JobId::new(row.id),
                epoch: row.epoch,
            },
            tenant: row.tenant_id.map(TenantId::new),
            spec: serde_json::from_str(&row.spec).map_err(unreadable)?,
            done: count(row.done),
            total: row.total.map(count),
            saved: saved.map_err(unreadable)?,
        }))
    }

    /// False where the job was cancelled or is another node's by now: stop.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn renew_job(&self, lease: JobLease) -> Result<bool, StoreError> {
        let renewed = sqlx::query!(
            "update job set lease_until = now() + make_interval(secs => $3)
             where id = $1 and epoch = $2 and state = 'running'",
            lease.id.get(),
            lease.epoch,
            LEASE.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Begins a step; none where the lease is lost.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn job_step(&self, lease: JobLease) -> Result<Option<JobStep>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let held = sqlx::query_scalar!(
            "select id from job where id = $1 and epoch = $2 and state = 'running' for update",
            lease.id.get(),
            lease.epoch
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(held.map(|_| JobStep { tx, lease }))
    }

    /// Ends the job; false where the lease was lost.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn finish_job(&self, lease: JobLease, end: &JobEnd) -> Result<bool, StoreError> {
        let (state, result, reason) = match end {
            JobEnd::Done { result } => ("done", Some(result.to_string()), None),
            JobEnd::Failed { reason } => ("failed", None, Some(reason.as_str())),
        };
        let ended = sqlx::query!(
            "update job set state = $3, result = $4::text::jsonb, reason = $5, finished_at = now(),
               lease_until = null, saved = null
             where id = $1 and epoch = $2 and state = 'running'",
            lease.id.get(),
            lease.epoch,
            state,
            result,
            reason
        )
        .execute(&self.pool)
        .await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Lets go of a job that is not at its end, so that another node goes on at once.
    ///
    /// # Errors
    /// Where the database does not answer; the lease then runs out by itself.
    pub async fn release_job(&self, lease: JobLease) -> Result<(), StoreError> {
        sqlx::query!(
            "update job set lease_until = '-infinity'
             where id = $1 and epoch = $2 and state = 'running'",
            lease.id.get(),
            lease.epoch
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl JobStep {
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Writes how far the job is, and all that was done in this step.
    ///
    /// # Errors
    /// Where the database does not answer; whether the step happened is then not known.
    pub async fn commit(
        mut self,
        (done, total): (u64, Option<u64>),
        saved: &Value,
    ) -> Result<(), StoreError> {
        let stored = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        sqlx::query!(
            "update job set done = $2, total = $3, saved = $4::text::jsonb,
               lease_until = now() + make_interval(secs => $5)
             where id = $1",
            self.lease.id.get(),
            stored(done),
            total.map(stored),
            saved.to_string(),
            LEASE.as_secs_f64()
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(self.tx.commit().await?)
    }
}
