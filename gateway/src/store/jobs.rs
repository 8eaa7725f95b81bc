//! Jobs as they are kept: made, listed, cancelled. Running them is [`super::job_lease`]'s side.
//!
//! Bounded: so many unfinished ones a tenant, results of at most 1 MiB, and what has ended goes
//! after 7 days, with its samples of events' data. Cancelling is a change of the row; whoever runs
//! the job finds that its lease is gone and writes nothing more.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::domain::audit::{Deed, Operation};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{JobId, NodeId, TenantId};
use crate::domain::job::{JobSpec, JobState};

/// Jobs of one tenant that may wait or run at once.
pub const MAX_UNFINISHED: i64 = 100;
/// What has ended is kept this long.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// A job as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRecord {
    pub id: JobId,
    /// None where it is about more than one tenant.
    pub tenant: Option<TenantId>,
    pub state: JobState,
    pub spec: JobSpec,
    pub done: u64,
    /// None until it has been counted.
    pub total: Option<u64>,
    pub result: Option<Value>,
    /// Why it failed.
    pub reason: Option<String>,
    pub node: Option<NodeId>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// Which jobs are asked for: newest first.
#[derive(Clone, Copy, Debug)]
pub struct JobSelection {
    pub tenant: Option<TenantId>,
    pub state: Option<JobState>,
    pub after: Option<JobId>,
    pub limit: u16,
}

#[derive(Debug, thiserror::Error)]
pub enum NewJobError {
    #[error(
        "{MAX_UNFINISHED} jobs of this tenant wait or run; wait until one has ended, or cancel one"
    )]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for NewJobError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What an order to cancel came to.
#[derive(Clone, Debug, PartialEq)]
pub enum CancelledJob {
    Now(Box<JobRecord>),
    /// It had ended before.
    Ended(JobState),
    Unknown,
}

struct Row {
    id: i64,
    tenant_id: Option<i32>,
    state: String,
    spec: String,
    done: i64,
    total: Option<i64>,
    result: Option<String>,
    reason: Option<String>,
    node_id: Option<i32>,
    created_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
}

impl Row {
    fn read(self) -> Result<JobRecord, StoreError> {
        let id = self.id;
        self.try_read().map_err(|reason| StoreError::Unreadable {
            table: "job",
            id,
            reason,
        })
    }

    fn try_read(self) -> Result<JobRecord, String> {
        let spec = serde_json::from_str(&self.spec).map_err(|error| error.to_string())?;
        let result = self.result.as_deref().map(serde_json::from_str);
        Ok(JobRecord {
            id: JobId::new(self.id),
            tenant: self.tenant_id.map(TenantId::new),
            state: self.state.parse().map_err(|_| self.state.clone())?,
            spec,
            done: count(self.done),
            total: self.total.map(count),
            result: result.transpose().map_err(|error| error.to_string())?,
            reason: self.reason,
            node: self.node_id.map(NodeId::new),
            created_at: self.created_at.into(),
            started_at: self.started_at.map(Timestamp::from),
            finished_at: self.finished_at.map(Timestamp::from),
        })
    }
}

pub(super) fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

impl Store {
    /// Makes a job; some node takes it up within moments.
    ///
    /// # Errors
    /// [`NewJobError::TooMany`] where the tenant has too many unfinished ones.
    pub async fn create_job(
        &self,
        tenant: Option<TenantId>,
        spec: &JobSpec,
    ) -> Result<JobRecord, NewJobError> {
        let text = serde_json::to_string(spec).expect("a spec is plain data");
        let mut change = self.audited().await?;
        let id = sqlx::query_scalar!(
            "insert into job (tenant_id, kind, spec)
             select $1, $2, $3::text::jsonb
             where (select count(*) from job
                    where state in ('queued', 'running') and tenant_id is not distinct from $1) < $4
             returning id",
            tenant.map(TenantId::get),
            spec.kind(),
            text,
            MAX_UNFINISHED
        )
        .fetch_optional(change.connection())
        .await?
        .ok_or(NewJobError::TooMany)?;
        let operation = match spec {
            JobSpec::Erasure(_) => Operation::TenantErase,
            _ => Operation::JobCreate,
        };
        let deed = Deed::new(operation, tenant, JobId::new(id));
        change.commit(deed.with(spec.kind())).await?;
        self.jobs_changed.notify_one();
        let made = self.job(JobId::new(id), None).await?;
        made.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Forgets what ended long ago.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn sweep_jobs(&self) -> Result<u64, StoreError> {
        let swept = sqlx::query!(
            "delete from job where finished_at < now() - make_interval(secs => $1)",
            KEPT_FOR.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(swept.rows_affected())
    }

    /// None where there is none, or it belongs to another tenant.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn job(
        &self,
        id: JobId,
        of: Option<TenantId>,
    ) -> Result<Option<JobRecord>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"select id, tenant_id, state, spec::text as "spec!", done, total,
                 result::text as result, reason, node_id, created_at, started_at, finished_at
               from job where id = $1 and ($2::int is null or tenant_id = $2)"#,
            id.get(),
            of.map(TenantId::get)
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Newest first, without results.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn list_jobs(&self, wanted: JobSelection) -> Result<Vec<JobRecord>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select id, tenant_id, state, spec::text as "spec!", done, total,
                 null::text as result, reason, node_id, created_at, started_at, finished_at
               from job
               where ($1::int is null or tenant_id = $1) and ($2::text is null or state = $2)
                 and ($3::bigint is null or id < $3)
               order by id desc limit $4"#,
            wanted.tenant.map(TenantId::get),
            wanted.state.map(JobState::as_str),
            wanted.after.map(JobId::get),
            i64::from(wanted.limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Ends a job that waits or runs. What it has done stays done.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn cancel_job(
        &self,
        id: JobId,
        of: Option<TenantId>,
    ) -> Result<CancelledJob, StoreError> {
        let mut change = self.audited().await?;
        let cancelled = sqlx::query!(
            "update job set state = 'cancelled', finished_at = now(), lease_until = null
             where id = $1 and ($2::int is null or tenant_id = $2) and state in ('queued', 'running')
             returning tenant_id, kind",
            id.get(),
            of.map(TenantId::get)
        )
        .fetch_optional(change.connection())
        .await?;
        let is_cancelled = cancelled.is_some();
        if let Some(row) = cancelled {
            let deed = Deed::new(Operation::JobCancel, row.tenant_id.map(TenantId::new), id);
            change.commit(deed.with(row.kind)).await?;
        } else {
            drop(change);
        }
        Ok(match self.job(id, of).await? {
            None => CancelledJob::Unknown,
            Some(job) if is_cancelled => {
                self.jobs_changed.notify_one();
                CancelledJob::Now(Box::new(job))
            }
            Some(job) => CancelledJob::Ended(job.state),
        })
    }
}
