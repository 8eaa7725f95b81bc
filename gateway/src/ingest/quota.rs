//! Meters of the tenants that have a quota: a request is taken whole or refused whole.
//!
//! Each node grants its share of a quota, so no event waits for a word with other nodes; what one
//! node does not use is not lent to another. Knows no status codes.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::ids::TenantId;
use crate::domain::quota::{Allowance, Quota};

/// What a request would take of a tenant's quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) tenant: TenantId,
    pub(super) quota: Quota,
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// Refused: when something may be sent again, and what there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: &'static str,
    pub(super) limit: NonZeroU32,
    pub(super) retry_after: Duration,
}

/// One for each tenant that has a quota and has sent something.
#[derive(Debug, Default)]
pub(super) struct Meters(Mutex<Allowances>);

type Allowances = HashMap<(TenantId, &'static str), Allowance>;

impl Meters {
    /// Takes all that is wanted, or nothing where one of the tenants has sent too much.
    pub(super) fn take(
        &self,
        wanted: &[Wanted],
        nodes: usize,
        now: Instant,
    ) -> Result<(), Refused> {
        let mut meters = self.0.lock();
        let parts: Vec<Part> = wanted
            .iter()
            .flat_map(|wanted| wanted.parts(nodes))
            .collect();
        for part in &parts {
            let allowance = part.allowance(&mut meters, now);
            if let Some(retry_after) = allowance.wait(part.per_second) {
                return Err(Refused {
                    what: part.what,
                    limit: part.limit,
                    retry_after,
                });
            }
        }
        for part in &parts {
            if let Some(allowance) = meters.get_mut(&(part.tenant, part.what)) {
                allowance.take(part.amount);
            }
        }
        Ok(())
    }

    /// Takes what cannot be refused any more: it is owed, and what comes by other ways waits for it.
    pub(super) fn charge(&self, wanted: &[Wanted], nodes: usize, now: Instant) {
        let mut meters = self.0.lock();
        for part in wanted.iter().flat_map(|wanted| wanted.parts(nodes)) {
            part.allowance(&mut meters, now).take(part.amount);
        }
    }
}

/// One limit of one tenant, as this node has to keep it.
struct Part {
    tenant: TenantId,
    what: &'static str,
    limit: NonZeroU32,
    per_second: f64,
    amount: f64,
}

impl Part {
    /// What is left of it now.
    fn allowance<'a>(&self, of: &'a mut Allowances, now: Instant) -> &'a mut Allowance {
        let full = || Allowance::full(self.per_second, now);
        let allowance = of.entry((self.tenant, self.what)).or_insert_with(full);
        allowance.fill(self.per_second, now);
        allowance
    }
}

impl Wanted {
    fn parts(&self, nodes: usize) -> impl Iterator<Item = Part> {
        let limits = [
            ("events", self.quota.events_per_second, self.events),
            ("bytes", self.quota.bytes_per_second, self.bytes),
        ];
        let tenant = self.tenant;
        limits.into_iter().filter_map(move |(what, limit, amount)| {
            let limit = limit?;
            Some(Part {
                tenant,
                what,
                limit,
                per_second: f64::from(limit.get()) / nodes.max(1) as f64,
                amount: amount as f64,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(tenant: i32, quota: Quota, events: usize) -> Wanted {
        Wanted {
            tenant: TenantId::new(tenant),
            quota,
            events,
            bytes: events * 100,
        }
    }

    fn quota(events: u32, bytes: u32) -> Quota {
        Quota {
            events_per_second: NonZeroU32::new(events),
            bytes_per_second: NonZeroU32::new(bytes),
        }
    }

    #[test]
    fn a_node_grants_its_share_and_a_request_passes_whole_or_not_at_all() {
        let now = Instant::now();
        let meters = Meters::default();
        let tight = quota(10, 0);
        for _ in 0..5 {
            meters.take(&[wanted(1, tight, 1)], 2, now).unwrap();
        }
        let refused = meters.take(&[wanted(1, tight, 1)], 2, now).unwrap_err();
        assert_eq!((refused.what, refused.limit.get()), ("events", 10));
        assert_eq!(refused.retry_after, Duration::from_millis(200));
        // The other tenant of the same request has not paid for what was refused.
        let other = quota(1, 0);
        let both = [wanted(2, other, 1), wanted(1, tight, 1)];
        assert!(meters.take(&both, 2, now).is_err());
        meters.take(&both[..1], 2, now).unwrap();
        meters
            .take(&[wanted(3, Quota::default(), 1_000_000)], 2, now)
            .unwrap();
    }

    #[test]
    fn bytes_are_metered_too() {
        let now = Instant::now();
        let meters = Meters::default();
        let quota = quota(1000, 250);
        for _ in 0..3 {
            meters.take(&[wanted(1, quota, 1)], 1, now).unwrap();
        }
        let refused = meters.take(&[wanted(1, quota, 1)], 1, now).unwrap_err();
        assert_eq!(refused.what, "bytes");
        meters
            .take(&[wanted(1, quota, 1)], 1, now + refused.retry_after)
            .unwrap();
    }
}
