//! Which version of a plugin serves: all events, or a share of them, and the way back.
//!
//! A switch is one row changed in one transaction, so no node ever sees half of it. Nothing here
//! looks at components: a version that is stored has been checked.

use super::Store;
use super::change::Change;
use super::plugins::{PluginKey, PluginStoreError, VersionChoice, find, stored_digest};
use crate::domain::audit::{Deed, Operation};
use crate::domain::ids::ConfigVersion;
use crate::domain::plugin::{ComponentDigest, Share};

/// What is to serve from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// One version for all events.
    To(VersionChoice),
    /// One version for a share of the events; the active one keeps the rest.
    Canary(VersionChoice, Share),
    /// Back by one step: the end of a canary, else the version that served before.
    Back,
}

/// What a switch of versions came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// The version that was meant, and the part of the events that it gets.
    pub version: i32,
    pub digest: ComponentDigest,
    pub share: Share,
    /// Serves what is left.
    pub active: i32,
    /// Served all events before.
    pub previous: Option<i32>,
    pub config: ConfigVersion,
}

impl Store {
    /// Changes which of the stored versions serves, or serves a share.
    ///
    /// # Errors
    /// Where the name or the version is not known, or there is nothing to go back to.
    pub async fn activate_plugin(
        &self,
        key: &PluginKey,
        switch: Switch,
    ) -> Result<Activated, PluginStoreError> {
        let mut change = Change::begin(&self.pool).await?;
        let row = find(&mut change, key)
            .await?
            .filter(|row| !row.is_deleted)
            .ok_or_else(|| PluginStoreError::Unknown(key.name.clone()))?;
        let (choice, share) = match switch {
            Switch::To(choice) => (choice, Share::ALL),
            Switch::Canary(choice, share) => (choice, share),
            Switch::Back if row.has_canary => (VersionChoice::Active, Share::ALL),
            Switch::Back => {
                let previous = row.previous;
                let previous =
                    previous.ok_or_else(|| PluginStoreError::NothingBefore(key.name.clone()))?;
                (VersionChoice::Number(previous), Share::ALL)
            }
        };
        let (number, digest) = choice.columns(row.active);
        let found = sqlx::query!(
            "select number, digest from plugin_version
             where plugin_id = $1 and (number = $2 or digest = $3)",
            row.id,
            number,
            digest.as_ref().map(|digest| &digest.0[..]),
        )
        .fetch_optional(change.connection())
        .await?
        .ok_or_else(|| PluginStoreError::UnknownVersion(key.name.clone()))?;
        let active = if share == Share::ALL {
            set_active(&mut change, row.id, found.number).await?;
            found.number
        } else {
            let active = row.active.filter(|active| *active != found.number);
            let active = active.ok_or_else(|| PluginStoreError::NoCanary(key.name.clone()))?;
            set_canary(&mut change, row.id, found.number, share).await?;
            active
        };
        let deed = Deed::new(Operation::PluginActivate, key.tenant, &key.name);
        let deed = deed.with(format!(
            "version {} for {} of the events",
            found.number,
            share.as_fraction()
        ));
        Ok(Activated {
            version: found.number,
            digest: stored_digest(&found.digest),
            share,
            active,
            previous: row.active,
            config: change.commit(&[deed]).await?,
        })
    }
}

/// Ends a canary too: what serves all events leaves it none.
pub(super) async fn set_active(
    change: &mut Change,
    plugin_id: i32,
    number: i32,
) -> Result<(), sqlx::Error> {
    let version = change.version().get();
    sqlx::query!(
        "update plugin set active_version = $2, canary_version = null, canary_parts = null,
           previous_version = case when active_version <> $2 then active_version
                                   else previous_version end,
           activated_at = now(), v = $3
         where id = $1",
        plugin_id,
        number,
        version,
    )
    .execute(change.connection())
    .await?;
    Ok(())
}

async fn set_canary(
    change: &mut Change,
    plugin_id: i32,
    number: i32,
    share: Share,
) -> Result<(), sqlx::Error> {
    let version = change.version().get();
    sqlx::query!(
        "update plugin set canary_version = $2, canary_parts = $3, activated_at = now(), v = $4
         where id = $1",
        plugin_id,
        number,
        share.parts(),
        version,
    )
    .execute(change.connection())
    .await?;
    Ok(())
}
