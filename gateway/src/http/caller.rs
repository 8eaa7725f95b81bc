//! Who calls: a bearer key, what its role allows, and which tenant it is bound to.

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::Api;
use super::problem::{Kind, Problem};
use crate::domain::ids::TenantId;
use crate::domain::key::{Action, Caller, KeyHash};
use crate::domain::tenant::TenantName;
use crate::store::{audit, keys, sessions};

macro_rules! callers {
    ($($(#[$meta:meta])* $name:ident => $action:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Caller);

        impl FromRequestParts<Api> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
                allowed(parts, api, Action::$action).map(Self)
            }
        }
    )*};
}

callers! {
    /// May send events.
    Publisher => SendEvents;
    /// May read.
    Reader => Read;
    /// May change subscriptions and deliveries.
    Subscriber => ManageSubscriptions;
    /// May upload and activate plugins.
    PluginOwner => ManagePlugins;
    /// May do everything.
    Admin => Administer;
}

/// A reader whose answer goes on for long, and its key, so that a key that was revoked ends it.
#[derive(Clone, Debug)]
pub struct LastingReader {
    pub caller: Caller,
    /// None for one that came without: the dashboard.
    key: Option<KeyHash>,
}

impl LastingReader {
    /// Whether the key may still read the same.
    #[must_use]
    pub fn may_go_on(&self, api: &Api) -> bool {
        let Some(key) = &self.key else { return true };
        let now = sessions::caller_of(api.store(), api.admin_key(), key);
        now.is_some_and(|now| now.role.allows(Action::Read) && now.bound_to == self.caller.bound_to)
    }
}

impl FromRequestParts<Api> for LastingReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = allowed(parts, api, Action::Read)?;
        let is_known = parts.extensions.get::<Caller>().is_some();
        let key = (!is_known).then(|| key_of(parts)).transpose()?;
        Ok(Self { caller, key })
    }
}

/// May read what is about the gateway as a whole, hence about all tenants.
#[derive(Clone, Debug)]
pub struct Operator(pub Caller);

impl FromRequestParts<Api> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = allowed(parts, api, Action::Read)?;
        must_be_unbound(&caller).map(|()| Self(caller))
    }
}

/// # Errors
/// 403 where the key is bound to a tenant.
pub(super) fn must_be_unbound(caller: &Caller) -> Result<(), Problem> {
    match &caller.bound_to {
        None => Ok(()),
        Some((_, tenant)) => {
            let detail = format!("a key that is bound to a tenant ({tenant}) cannot do this");
            Err(Problem::new(Kind::RoleForbids, detail))
        }
    }
}

fn allowed(parts: &Parts, api: &Api, action: Action) -> Result<Caller, Problem> {
    let caller = caller(parts, api)?;
    audit::this_is(&caller);
    if caller.role.allows(action) {
        Ok(caller)
    } else {
        let detail = format!("a key with the role {} cannot do this", caller.role);
        Err(Problem::new(Kind::RoleForbids, detail))
    }
}

fn caller(parts: &Parts, api: &Api) -> Result<Caller, Problem> {
    // Put there by the dashboard, which knows its caller; nothing from outside can.
    if let Some(known) = parts.extensions.get::<Caller>() {
        return Ok(known.clone());
    }
    let hash = key_of(parts)?;
    sessions::caller_of(api.store(), api.admin_key(), &hash)
        .ok_or_else(|| Problem::new(Kind::UnknownKey, "this key is not known, or was revoked"))
}

fn key_of(parts: &Parts) -> Result<KeyHash, Problem> {
    let no_key = || Problem::new(Kind::NoKey, "send `Authorization: Bearer <key>`");
    let value = parts.headers.get(AUTHORIZATION).ok_or_else(no_key)?;
    let (scheme, key) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(no_key)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(no_key());
    }
    Ok(keys::hash(key.trim()))
}

/// Which tenant a caller's question is about: its own, or the one that it names, or all.
///
/// # Errors
/// 404 where the tenant is not there, or not the caller's to know about.
pub fn scope(
    api: &Api,
    caller: &Caller,
    named: Option<&TenantName>,
) -> Result<Option<TenantId>, Problem> {
    match (&caller.bound_to, named) {
        (Some((_, bound_to)), Some(named)) if bound_to != named => {
            Err(Problem::not_found("tenant"))
        }
        (Some((id, _)), _) => Ok(Some(*id)),
        (None, Some(named)) => api
            .store()
            .catalog()
            .tenant_id(named)
            .map(Some)
            .ok_or_else(|| Problem::not_found("tenant")),
        (None, None) => Ok(None),
    }
}

/// The only tenant whose things a caller may touch; none for one that is not bound.
#[must_use]
pub fn bound(caller: &Caller) -> Option<TenantId> {
    caller.bound_to.as_ref().map(|(id, _)| *id)
}
