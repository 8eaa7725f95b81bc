//! Erases the data of all events of a tenant, oldest first.
//!
//! Needs no memory of where it was: what is erased is not found again.

use serde_json::{Value, json};

use super::again::saved;
use super::{Jobs, Stopped};
use crate::domain::ids::{EventId, TenantId};
use crate::domain::job::{ErasureSpec, EventRange};
use crate::log::erase;
use crate::store::Store;
use crate::store::job_lease::LeasedJob;

/// Events of one transaction.
const CHUNK_EVENTS: u16 = 200;
/// As many as are counted; more are shown as these.
const MAX_COUNTED: u32 = 10_000_000;

impl Jobs {
    pub(super) async fn erase(
        &self,
        job: &LeasedJob,
        spec: &ErasureSpec,
    ) -> Result<Value, Stopped> {
        let tenant = TenantId::new(spec.tenant);
        let range = EventRange {
            since_ms: 0,
            until_ms: spec.until_ms,
            types: Vec::new(),
        };
        let store = &self.parts.store;
        let total = match job.total {
            Some(total) => total,
            None => store.count_stored(tenant, &range, MAX_COUNTED).await?,
        };
        let mut done = job.done;
        let mut after: i64 = saved(job);
        loop {
            let mut step = self.step(job.lease).await?;
            let connection = step.connection();
            let place = (EventId::new(after), spec.until_ms);
            let events = Store::not_erased(connection, tenant, place, CHUNK_EVENTS).await?;
            let Some(last) = events.last() else { break };
            after = last.get();
            done += erase(step.connection(), &events, self.parts.node).await?;
            step.commit((done, Some(total.max(done))), &json!(after))
                .await?;
        }
        store.erase_samples(tenant, None).await?;
        Ok(json!({"erased": done}))
    }
}
