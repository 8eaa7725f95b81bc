//! Which subscriptions want an event type: one index a tenant, asked once an event.

use std::collections::HashMap;

use crate::domain::ids::SubscriptionId;
use crate::domain::pattern::TypePattern;
use crate::domain::subscription::{State, Subscription};

type Wanted = (SubscriptionId, State);

/// Exact types by hash, patterns one by one.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    exact: HashMap<Box<str>, Vec<Wanted>>,
    patterns: Vec<(TypePattern, Wanted)>,
}

impl Matcher {
    pub(super) fn insert(&mut self, subscription: &Subscription) {
        if !subscription.state.takes_events() {
            return;
        }
        let wanted = (subscription.id, subscription.state);
        for pattern in &subscription.event_types {
            if pattern.is_exact() {
                let same_type = self.exact.entry(pattern.as_str().into()).or_default();
                same_type.push(wanted);
            } else {
                self.patterns.push((pattern.clone(), wanted));
            }
        }
    }

    /// `subscription` as it was inserted.
    pub(super) fn remove(&mut self, subscription: &Subscription) {
        for pattern in &subscription.event_types {
            if !pattern.is_exact() {
                self.patterns.retain(|(_, (id, _))| *id != subscription.id);
            } else if let Some(same_type) = self.exact.get_mut(pattern.as_str()) {
                same_type.retain(|(id, _)| *id != subscription.id);
                if same_type.is_empty() {
                    self.exact.remove(pattern.as_str());
                }
            }
        }
    }

    /// Each once, in the order of ids.
    pub(super) fn matching(&self, event_type: &str) -> Vec<Wanted> {
        let exact = self.exact.get(event_type).into_iter().flatten().copied();
        let by_pattern = self
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.matches(event_type))
            .map(|(_, wanted)| *wanted);
        let mut matching: Vec<Wanted> = exact.chain(by_pattern).collect();
        matching.sort_unstable_by_key(|(id, _)| *id);
        matching.dedup_by_key(|(id, _)| *id);
        matching
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ConfigVersion, TenantId};
    use crate::domain::subscription::DeliveryPolicy;
    use crate::domain::tenant::TenantName;

    fn subscription(id: i32, state: State, types: &[&str]) -> Subscription {
        Subscription {
            id: SubscriptionId::new(id),
            tenant: TenantId::new(1),
            tenant_name: TenantName::unnamed(),
            state,
            event_types: types.iter().map(|text| text.parse().unwrap()).collect(),
            target: None,
            plugins: vec![],
            policy: DeliveryPolicy::default(),
            secrets: vec![],
            version: ConfigVersion::default(),
        }
    }

    #[test]
    fn each_subscription_is_found_once_and_gone_when_removed() {
        let all = subscription(3, State::Active, &["*", "invoice.paid"]);
        let exact = subscription(1, State::Paused, &["invoice.paid"]);
        let pending = subscription(2, State::Pending, &["*"]);
        let mut matcher = Matcher::default();
        for subscription in [&all, &exact, &pending] {
            matcher.insert(subscription);
        }
        assert_eq!(
            matcher.matching("invoice.paid"),
            [(exact.id, State::Paused), (all.id, State::Active)]
        );
        assert_eq!(matcher.matching("ping"), [(all.id, State::Active)]);
        matcher.remove(&all);
        assert_eq!(
            matcher.matching("invoice.paid"),
            [(exact.id, State::Paused)]
        );
        assert!(matcher.matching("ping").is_empty());
    }
}
