//! A subscription as the table's columns hold it, on the way in and on the way out.
//!
//! Knows no statement; those are in `subscriptions`.

use time::OffsetDateTime;

use super::subscriptions::{Record, Wish};
use super::{StoreError, access, load, policy};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, SubscriptionId, TenantId};
use crate::domain::target_url::TargetUrl;

/// A wish as the table's columns hold it.
pub(super) struct Columns {
    pub(super) metadata: String,
    pub(super) event_types: Vec<String>,
    pub(super) target_url: Option<String>,
    pub(super) plugins: String,
    pub(super) delivery: String,
    pub(super) access: String,
}

impl Columns {
    pub(super) fn of(wish: &Wish) -> Self {
        let json = "maps with text keys are JSON";
        Self {
            metadata: serde_json::to_string(&wish.metadata).expect(json),
            event_types: wish.event_types.iter().map(ToString::to_string).collect(),
            target_url: wish.target.as_ref().map(ToString::to_string),
            plugins: serde_json::to_string(&wish.plugins).expect(json),
            delivery: policy::to_stored(&wish.policy),
            access: access::to_stored(&wish.access),
        }
    }
}

pub(super) struct Row {
    pub(super) id: i32,
    pub(super) tenant_id: i32,
    pub(super) tenant_name: String,
    pub(super) state: String,
    pub(super) state_reason: Option<String>,
    pub(super) description: String,
    pub(super) metadata: String,
    pub(super) labels: Vec<String>,
    pub(super) event_types: Vec<String>,
    pub(super) filters: String,
    pub(super) target_url: Option<String>,
    pub(super) plugins: String,
    pub(super) delivery: String,
    pub(super) access: String,
    pub(super) public_key: Option<String>,
    pub(super) verification: String,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) v: i64,
}

impl Row {
    pub(super) fn read(self) -> Result<Record, StoreError> {
        let id = self.id;
        self.try_read().map_err(|reason| StoreError::Unreadable {
            table: "subscription",
            id: id.into(),
            reason,
        })
    }

    fn try_read(self) -> Result<Record, String> {
        fn text(error: impl std::fmt::Display) -> String {
            error.to_string()
        }
        let event_types = self.event_types.iter().map(|text| text.parse());
        let target = match self.target_url {
            Some(url) => Some(TargetUrl::from_stored(&url).ok_or("its target")?),
            None => None,
        };
        Ok(Record {
            id: SubscriptionId::new(self.id),
            tenant: (
                TenantId::new(self.tenant_id),
                self.tenant_name.parse().map_err(text)?,
            ),
            state: (self.state.parse().map_err(text)?, self.state_reason),
            wish: Wish {
                description: self.description,
                metadata: serde_json::from_str(&self.metadata).map_err(text)?,
                labels: self.labels,
                event_types: event_types.collect::<Result<_, _>>().map_err(text)?,
                filters: load::filters(&self.filters)?,
                target,
                plugins: serde_json::from_str(&self.plugins).map_err(text)?,
                policy: policy::from_stored(&self.delivery)?,
                access: access::from_stored(&self.access)?,
                verification: self.verification.parse().map_err(text)?,
                expires_at: self.expires_at.map(Timestamp::from),
            },
            public_key: self.public_key,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            version: ConfigVersion::new(self.v),
        })
    }
}
