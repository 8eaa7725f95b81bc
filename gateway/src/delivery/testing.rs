//! Values and receivers for the tests of this folder.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::clock::Timestamp;
use crate::domain::event::{Attributes, Event};
use crate::domain::ids::{ConfigVersion, EventId, LaneId, SubscriptionId, TenantId};
use crate::domain::secret::{Scheme, SigningKey};
use crate::domain::subscription::{DeliveryPolicy, State, Subscription};
use crate::domain::target_url::TargetUrl;
use crate::domain::tenant::TenantName;

pub(super) fn subscription(target: &str) -> Subscription {
    Subscription {
        id: SubscriptionId::new(7),
        tenant: TenantId::new(1),
        tenant_name: TenantName::unnamed(),
        state: State::Active,
        event_types: vec!["*".parse().unwrap()],
        target: Some(TargetUrl::from_stored(target).unwrap()),
        labels: crate::domain::labels::Labels::default(),
        filters: crate::domain::filter::Filters::default(),
        plugins: Vec::new(),
        policy: DeliveryPolicy::default(),
        access: crate::domain::access::Access::default(),
        verification: crate::domain::verification::Verification::None,
        allowed_rate: None,
        expires_at: None,
        secrets: vec![Arc::new(SigningKey::new(Scheme::V1, [1; 32]))],
        version: ConfigVersion::new(1),
    }
}

pub(super) fn event(data: &'static [u8]) -> Event {
    Event {
        id: EventId::first_at(Timestamp::from_ms(1_700_000_000_000), LaneId::new(3)),
        tenant: TenantId::new(1),
        event_type: "invoice.paid".into(),
        attributes: Attributes::default(),
        data: Bytes::from_static(data),
    }
}
