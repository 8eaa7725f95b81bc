//! Changes of a subscription's state that nobody asked for over the API: confirmed by its receiver,
//! disabled by its failures, ended by the clock.
//!
//! Each looks at the state under the lock of the configuration's version, so one that was meanwhile
//! changed by hand stays as it is.

use std::time::Duration;

use super::change::Change;
use super::{Store, StoreError};
use crate::domain::attempt::Outcome;
use crate::domain::audit::{Deed, Operation};
use crate::domain::ids::{ConfigVersion, SubscriptionId, TenantId};
use crate::domain::subscription::State;

impl Store {
    /// Disables a subscription from within: its receiver is gone, or fails for good. One that was
    /// meanwhile deleted or disabled stays so. Says whose it is where this changed it.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn set_state(
        &self,
        id: SubscriptionId,
        state: State,
        reason: &str,
    ) -> Result<Option<TenantId>, StoreError> {
        let Some(edit) = self.edit_subscription(id, None).await? else {
            return Ok(None);
        };
        if edit.record.state.0 == state {
            return Ok(None);
        }
        let tenant = edit.record.tenant.0;
        edit.save_state(state, Some(reason)).await?;
        self.feed.refresh().await?;
        Ok(Some(tenant))
    }

    /// Makes a subscription active whose receiver has said yes. None where it does not wait for
    /// that.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn confirm(
        &self,
        id: SubscriptionId,
        allowed_rate: Option<u32>,
    ) -> Result<Option<ConfigVersion>, StoreError> {
        let mut change = Change::begin(&self.pool).await?;
        let confirmed = sqlx::query!(
            "update subscription set state = 'active', state_reason = null, updated_at = now(),
               v = $2, allowed_rate = $3
             where id = $1 and state = 'pending' returning tenant_id",
            id.get(),
            change.version().get(),
            allowed_rate.and_then(|rate| i32::try_from(rate).ok())
        )
        .fetch_optional(change.connection())
        .await?;
        let Some(confirmed) = confirmed else {
            return Ok(None);
        };
        let tenant = TenantId::new(confirmed.tenant_id);
        let deed = Deed::new(Operation::SubscriptionConfirm, tenant, id);
        let version = change.commit(&[deed]).await?;
        self.feed.refresh().await?;
        Ok(Some(version))
    }

    /// Says why a subscription is still pending.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn note_pending(&self, id: SubscriptionId, reason: &str) -> Result<(), StoreError> {
        // Only shown, never matched by: no new version of the configuration.
        sqlx::query!(
            "update subscription set state_reason = $2 where id = $1 and state = 'pending'",
            id.get(),
            reason
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends what is due, by the database's clock. Costs nothing where nothing is.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn expire_due(&self) -> Result<(), StoreError> {
        if !self.catalog.has_expired(self.clock.now()) {
            return Ok(());
        }
        let is_due = sqlx::query_scalar!(
            r#"select exists (select from subscription where expires_at <= now()
                 and state in ('pending', 'active', 'paused')) as "is_due!""#
        )
        .fetch_one(&self.pool)
        .await?;
        if is_due {
            let mut change = Change::begin(&self.pool).await?;
            let expired = sqlx::query!(
                "update subscription set state = 'expired', updated_at = now(), v = $1,
                   state_reason = 'it has expired; give it a later expires_at'
                 where expires_at <= now() and state in ('pending', 'active', 'paused')
                 returning id, tenant_id",
                change.version().get()
            )
            .fetch_all(change.connection())
            .await?;
            let deed = |tenant, id| Deed::new(Operation::SubscriptionExpire, tenant, id);
            let deeds = expired
                .iter()
                .map(|row| deed(TenantId::new(row.tenant_id), SubscriptionId::new(row.id)));
            change.commit(&deeds.collect::<Vec<_>>()).await?;
        }
        self.feed.refresh().await?;
        Ok(())
    }

    /// Whether everything failed for `window`, of which the first failure is older.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn only_fails(
        &self,
        id: SubscriptionId,
        window: Duration,
    ) -> Result<bool, StoreError> {
        let fails = sqlx::query_scalar!(
            r#"select exists (select from attempt where subscription_id = $1 and outcome <> $3
                   and at <= now() - make_interval(secs => $2))
                 and not exists (select from attempt where subscription_id = $1 and outcome = $3
                   and at > now() - make_interval(secs => $2)) as "fails!""#,
            id.get(),
            window.as_secs_f64(),
            Outcome::Accepted.code()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(fails)
    }
}
