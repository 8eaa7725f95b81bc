//! Puts the dashboard beside the API that it calls.

use axum::Router;

use super::{Core, lives};
use crate::config::Secret;
use crate::domain::ids::NodeId;
use crate::ui::{self, UiParts};

/// Both under one address, and the pulse that the charts read. `site` is how browsers reach it.
pub(super) fn beside(
    api: Router,
    (core, node): (&Core<'_>, NodeId),
    (admin_key, site): (&Secret, &str),
) -> Router {
    lives::pulse((&core.store, node), &core.metrics, &core.shutdown);
    let dashboard = ui::router(UiParts {
        api: api.clone(),
        store: core.store.clone(),
        admin_key: Some(crate::store::keys::hash(admin_key.expose())),
        look: core.settings.ui.clone(),
        in_force: core.settings.in_force.all(),
        public_url: site.into(),
        stopping: core.shutdown.draining(),
    });
    api.merge(dashboard)
}
