//! A source as the API shows it: its rules whole, its secrets never.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, AppliedView};
use crate::domain::clock::Timestamp;
use crate::domain::ids::SourceId;
use crate::domain::source::{Challenges, Place, Verifier};
use crate::domain::tenant::TenantName;
use crate::store::sources::SourceRecord;

/// Where a provider's webhooks come in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceView {
    #[schema(value_type = String)]
    id: SourceId,
    name: String,
    #[schema(value_type = String)]
    tenant: TenantName,
    description: String,
    /// What the provider is given to send to.
    #[schema(example = "https://hooks.example.com/in/…")]
    url: String,
    /// Without the secret.
    #[schema(value_type = Object)]
    verify: Verifier,
    /// Without one, every request is refused.
    has_secret: bool,
    /// Until when the secret before is taken too.
    old_secret_until: Option<String>,
    /// What the type of an event is made from.
    #[schema(value_type = Object)]
    type_from: serde_json::Value,
    /// Where the provider's delivery id is.
    id_from: Option<Place>,
    challenges: Challenges,
    created_at: String,
    updated_at: String,
}

impl SourceView {
    pub(super) fn new(api: &Api, record: SourceRecord) -> Self {
        let rules = record.wish.rules;
        let now = api.store().clock().now();
        let old_secret_until = record.old_secret_until.filter(|until| now < *until);
        Self {
            id: record.id,
            name: record.wish.name,
            tenant: record.tenant.1,
            description: record.wish.description,
            url: api.source_url(&record.address),
            has_secret: record.has_secret,
            old_secret_until: old_secret_until.map(Timestamp::to_rfc3339),
            type_from: serde_json::to_value(rules.type_from()).expect("it is plain data"),
            id_from: rules.id_from(),
            challenges: rules.challenges,
            verify: rules.verify,
            created_at: record.created_at.to_rfc3339(),
            updated_at: record.updated_at.to_rfc3339(),
        }
    }
}

/// A source after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedSourceView {
    #[serde(flatten)]
    pub(super) source: SourceView,
    /// Where it was made here. Shown only now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    #[serde(flatten)]
    pub(super) applied: AppliedView,
}
