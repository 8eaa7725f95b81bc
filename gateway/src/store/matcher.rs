//! Which subscriptions may want an event: one index a tenant, asked once an event.
//!
//! Goes by the type, and by the attribute that a filter pins to one value, so that a million
//! subscriptions cost no more than those that are likely. Evaluates no filter: that is done on what
//! comes out, when no lock is held any more.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::filter::{Candidate, Filters};
use crate::domain::ids::SubscriptionId;
use crate::domain::labels::Labels;
use crate::domain::pattern::TypePattern;
use crate::domain::queueing::Queueing;
use crate::domain::subscription::{State, Subscription};

/// A subscription that may want an event, and what is left to be asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Likely {
    pub(super) id: SubscriptionId,
    pub(super) state: State,
    pub(super) labels: Labels,
    pub(super) filters: Filters,
    /// None: its deliveries do not wait for each other.
    pub(super) queueing: Option<Arc<Queueing>>,
}

impl Likely {
    /// What the index did not say.
    pub(super) fn takes(&self, candidate: &Candidate<'_>) -> bool {
        self.labels.take(candidate.labels()) && self.filters.hold(candidate)
    }
}

/// Exact types by hash, patterns one by one.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    exact: HashMap<Box<str>, OfType>,
    patterns: Vec<(TypePattern, Likely)>,
}

/// The subscriptions to one type.
#[derive(Debug, Default)]
struct OfType {
    open: Vec<Likely>,
    /// By the name of an attribute and the only value of it that passes. Few names, many values.
    pinned: HashMap<Box<str>, HashMap<Box<str>, Vec<Likely>>>,
}

impl Matcher {
    pub(super) fn insert(&mut self, subscription: &Subscription) {
        if !subscription.state.takes_events() {
            return;
        }
        let likely = Likely {
            id: subscription.id,
            state: subscription.state,
            labels: subscription.labels.clone(),
            filters: subscription.filters.clone(),
            queueing: waits_for_others(&subscription.policy.queueing),
        };
        for pattern in &subscription.event_types {
            if pattern.is_exact() {
                let of_type = self.exact.entry(pattern.as_str().into()).or_default();
                of_type.insert(likely.clone());
            } else {
                self.patterns.push((pattern.clone(), likely.clone()));
            }
        }
    }

    /// `subscription` as it was inserted.
    pub(super) fn remove(&mut self, subscription: &Subscription) {
        for pattern in &subscription.event_types {
            if !pattern.is_exact() {
                self.patterns
                    .retain(|(_, likely)| likely.id != subscription.id);
            } else if let Some(of_type) = self.exact.get_mut(pattern.as_str()) {
                of_type.remove(subscription);
                if of_type.is_empty() {
                    self.exact.remove(pattern.as_str());
                }
            }
        }
    }

    /// In the order of ids; one that names the type twice is there twice.
    pub(super) fn likely(&self, candidate: &Candidate<'_>) -> Vec<Likely> {
        let mut likely = Vec::new();
        if let Some(of_type) = self.exact.get(candidate.event_type()) {
            of_type.likely(candidate, &mut likely);
        }
        let by_pattern = self.patterns.iter();
        let by_pattern = by_pattern.filter(|(pattern, _)| pattern.wants(candidate.event_type()));
        likely.extend(by_pattern.map(|(_, likely)| likely.clone()));
        likely.sort_unstable_by_key(|likely| likely.id);
        likely
    }
}

fn waits_for_others(queueing: &Queueing) -> Option<Arc<Queueing>> {
    (*queueing != Queueing::Plain).then(|| Arc::new(queueing.clone()))
}

impl OfType {
    fn insert(&mut self, likely: Likely) {
        let place = match likely.filters.required() {
            None => &mut self.open,
            Some((name, value)) => {
                let values = self.pinned.entry(name.into()).or_default();
                values.entry(value.into()).or_default()
            }
        };
        place.push(likely);
    }

    fn remove(&mut self, subscription: &Subscription) {
        let others = |likely: &Likely| likely.id != subscription.id;
        let Some((name, value)) = subscription.filters.required() else {
            self.open.retain(others);
            return;
        };
        let Some(values) = self.pinned.get_mut(name) else {
            return;
        };
        if let Some(same) = values.get_mut(value) {
            same.retain(others);
            if same.is_empty() {
                values.remove(value);
            }
        }
        if values.is_empty() {
            self.pinned.remove(name);
        }
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.pinned.is_empty()
    }

    fn likely(&self, candidate: &Candidate<'_>, into: &mut Vec<Likely>) {
        into.extend_from_slice(&self.open);
        for (name, values) in &self.pinned {
            if let Some(same) = candidate.text(name).and_then(|value| values.get(&*value)) {
                into.extend_from_slice(same);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Attributes;
    use crate::domain::ids::{ConfigVersion, TenantId};
    use crate::domain::subscription::DeliveryPolicy;
    use crate::domain::tenant::TenantName;

    fn subscription(id: i32, state: State, types: &[&str], filters: &str) -> Subscription {
        Subscription {
            id: SubscriptionId::new(id),
            tenant: TenantId::new(1),
            tenant_name: TenantName::unnamed(),
            state,
            event_types: types.iter().map(|text| text.parse().unwrap()).collect(),
            labels: Labels::default(),
            filters: Filters::parse(filters).unwrap(),
            target: None,
            plugins: vec![],
            policy: DeliveryPolicy::default(),
            access: crate::domain::access::Access::default(),
            verification: crate::domain::verification::Verification::None,
            allowed_rate: None,
            expires_at: None,
            secrets: vec![],
            version: ConfigVersion::default(),
        }
    }

    fn likely(matcher: &Matcher, event_type: &str, source: Option<&str>) -> Vec<(i32, State)> {
        let attributes = Attributes {
            source: source.map(Into::into),
            ..Attributes::default()
        };
        let candidate = Candidate::new(event_type, &attributes, b"");
        let likely = matcher.likely(&candidate).into_iter();
        likely
            .map(|likely| (likely.id.get(), likely.state))
            .collect()
    }

    #[test]
    fn each_subscription_is_found_and_gone_when_removed() {
        let all = subscription(3, State::Active, &["*", "invoice.paid"], "[]");
        let exact = subscription(1, State::Paused, &["invoice.paid"], "[]");
        let pending = subscription(2, State::Pending, &["*"], "[]");
        let mut matcher = Matcher::default();
        for subscription in [&all, &exact, &pending] {
            matcher.insert(subscription);
        }
        assert_eq!(
            likely(&matcher, "invoice.paid", None),
            [(1, State::Paused), (3, State::Active), (3, State::Active)]
        );
        assert_eq!(likely(&matcher, "ping", None), [(3, State::Active)]);
        assert!(likely(&matcher, "hookgate.delivery.dead", None).is_empty());
        matcher.remove(&all);
        assert_eq!(likely(&matcher, "invoice.paid", None), [(1, State::Paused)]);
        assert!(likely(&matcher, "ping", None).is_empty());
    }

    #[test]
    fn what_pins_an_attribute_is_likely_for_its_value_alone() {
        let open = subscription(1, State::Active, &["a"], r#"[{"prefix": {"source": "x"}}]"#);
        let pinned = |id, value: &str| {
            let filters =
                format!(r#"[{{"prefix": {{"type": "a"}}}}, {{"exact": {{"source": "{value}"}}}}]"#);
            subscription(id, State::Active, &["a"], &filters)
        };
        let (one, other) = (pinned(2, "one"), pinned(3, "other"));
        let mut matcher = Matcher::default();
        for subscription in [&open, &one, &other] {
            matcher.insert(subscription);
        }
        let ids = |matcher: &Matcher, source| -> Vec<i32> {
            let likely = likely(matcher, "a", source).into_iter();
            likely.map(|(id, _)| id).collect()
        };
        assert_eq!(ids(&matcher, Some("one")), [1, 2]);
        assert_eq!(ids(&matcher, Some("third")), [1]);
        assert_eq!(ids(&matcher, None), [1]);
        for subscription in [&open, &one, &other] {
            matcher.remove(subscription);
        }
        assert!(matcher.exact.is_empty());
    }

    #[test]
    fn many_subscriptions_cost_no_more_than_those_that_are_likely() {
        const MANY: i32 = 50_000;
        let mut matcher = Matcher::default();
        for id in 0..MANY {
            let event_type = format!("t{}", id % (MANY / 100));
            let filters = format!(r#"[{{"exact": {{"source": "s{id}"}}}}]"#);
            matcher.insert(&subscription(id, State::Active, &[&event_type], &filters));
        }
        let begun = std::time::Instant::now();
        for id in 0..1000 {
            let (event_type, source) = (format!("t{}", id % (MANY / 100)), format!("s{id}"));
            let found = likely(&matcher, &event_type, Some(&source));
            assert_eq!(found, [(id, State::Active)]);
        }
        let each = begun.elapsed() / 1000;
        assert!(each < std::time::Duration::from_millis(1), "{each:?}");
    }
}
