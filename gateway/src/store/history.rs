//! What a past attempt ran with: its plugins by digest, and the subscription as it was configured
//! then.
//!
//! A trigger keeps a row for each change of a subscription's plugins or delivery policy; the row in
//! force is the newest one that is not newer than the attempt's configuration version.

use time::OffsetDateTime;

use std::sync::Arc;

use super::{Store, StoreError, policy};
use crate::domain::attempt::Outcome;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ConfigVersion, DeliveryId, EventId, SubscriptionId};
use crate::domain::plugin::{ComponentDigest, PluginName, PluginUse};
use crate::domain::queueing::Grouping;
use crate::domain::subscription::DeliveryPolicy;

/// A past attempt, as far as making it again needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastAttempt {
    pub number: u16,
    pub at: Timestamp,
    pub outcome: Outcome,
    /// SHA-256 of the body that went out.
    pub body_hash: Option<[u8; 32]>,
    /// None where the subscription had no plugins.
    pub run: Option<(ConfigVersion, Vec<(PluginName, ComponentDigest)>)>,
    /// The reason that was recorded.
    pub reason: Option<String>,
    /// Its number in its order.
    pub sequence: Option<i64>,
    /// The events that it stood for, itself last.
    pub group: Option<(Grouping, Arc<[EventId]>)>,
}

/// A subscription as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct PastWish {
    pub version: ConfigVersion,
    pub plugins: Vec<PluginUse>,
    pub policy: DeliveryPolicy,
    /// Nothing of this has changed since.
    pub is_current: bool,
}

struct WishRow {
    v: i64,
    plugins: String,
    delivery: String,
    is_current: bool,
}

impl WishRow {
    fn read(self, of: SubscriptionId) -> Result<PastWish, StoreError> {
        let unreadable = |reason: String| StoreError::Unreadable {
            table: "subscription_history",
            id: of.get().into(),
            reason,
        };
        let plugins = serde_json::from_str(&self.plugins);
        Ok(PastWish {
            version: ConfigVersion::new(self.v),
            plugins: plugins.map_err(|error| unreadable(error.to_string()))?,
            policy: policy::from_stored(&self.delivery).map_err(unreadable)?,
            is_current: self.is_current,
        })
    }
}

fn group(members: Option<Vec<i64>>, grouping: Option<i16>) -> Option<(Grouping, Arc<[EventId]>)> {
    let members = members?.into_iter().map(EventId::new).collect();
    Some((Grouping::from_code(grouping?)?, members))
}

impl Store {
    /// Attempts and verdicts of a delivery, oldest first.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn past_attempts(&self, of: DeliveryId) -> Result<Vec<PastAttempt>, StoreError> {
        let rows = sqlx::query!(
            r#"select a.number, a.at, a.outcome, a.body_sha256, a.note, a.sequence, a.members, a.grouping_code,
                 r.config_v as "config_v?", r.plugins::text as "plugins?"
               from attempt a left join run r on r.id = a.run_id
               where a.lane = $1 and a.event_id = $2 and a.subscription_id = $3
               order by a.at, a.number"#,
            of.event.lane().get(),
            of.event.get(),
            of.subscription.get()
        )
        .fetch_all(&self.pool)
        .await?;
        let attempts = rows.into_iter().filter_map(|row| {
            let plugins: Option<Vec<(PluginName, ComponentDigest)>> = match &row.plugins {
                Some(text) => Some(serde_json::from_str(text).ok()?),
                None => None,
            };
            let note: crate::domain::attempt::Note = row
                .note
                .as_deref()
                .and_then(|note| serde_json::from_slice(note).ok())
                .unwrap_or_default();
            Some(PastAttempt {
                number: u16::try_from(row.number).unwrap_or(0),
                at: row.at.into(),
                outcome: Outcome::from_code(row.outcome)?,
                body_hash: row.body_sha256.and_then(|hash| hash.try_into().ok()),
                run: row.config_v.map(ConfigVersion::new).zip(plugins),
                reason: note.reason,
                sequence: row.sequence,
                group: group(row.members, row.grouping_code),
            })
        });
        Ok(attempts.collect())
    }

    /// The subscription as it was in configuration `version`, or at `at` where no version is known.
    /// None where that is not kept any more.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn past_wish(
        &self,
        of: SubscriptionId,
        version: Option<ConfigVersion>,
        at: Timestamp,
    ) -> Result<Option<PastWish>, StoreError> {
        let at: OffsetDateTime = at.as_datetime();
        let row = sqlx::query_as!(
            WishRow,
            r#"select h.v, h.plugins::text as "plugins!", h.delivery::text as "delivery!",
                 not exists (select from subscription_history later
                   where later.subscription_id = h.subscription_id and later.v > h.v) as "is_current!"
               from subscription_history h
               where h.subscription_id = $1
                 and case when $2::bigint is null then h.since <= $3 else h.v <= $2 end
               order by h.v desc limit 1"#,
            of.get(),
            version.map(ConfigVersion::get),
            at
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| row.read(of)).transpose()
    }
}
