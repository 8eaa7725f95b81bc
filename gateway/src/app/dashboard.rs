//! Puts the dashboard beside the API that it calls.

use axum::Router;

use super::Core;
use crate::config::Secret;
use crate::ui::{self, UiParts};

/// Both under one address. `site` is how browsers reach it.
pub(super) fn beside(api: Router, core: &Core<'_>, (admin_key, site): (&Secret, &str)) -> Router {
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
