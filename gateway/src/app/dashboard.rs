//! Puts the dashboard beside the API that it calls.

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::config::{Secret, Settings};
use crate::store::Store;
use crate::ui::{self, UiParts};

/// Both under one address. `site` is how browsers reach it.
pub(super) fn beside(
    api: Router,
    (settings, store): (&Settings, &Store),
    (admin_key, site): (&Secret, &str),
    stopping: CancellationToken,
) -> Router {
    let dashboard = ui::router(UiParts {
        api: api.clone(),
        store: store.clone(),
        admin_key: Some(crate::store::keys::hash(admin_key.expose())),
        look: settings.ui.clone(),
        in_force: settings.in_force.all(),
        public_url: site.into(),
        stopping,
    });
    api.merge(dashboard)
}
