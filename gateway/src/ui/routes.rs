//! Every page and form there is. What changes something is a POST, and its form carries a token.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::refusal::Refusal;
use super::{
    Ui, UiParts, assets, audit, deliveries, delivery, enter, event, events, guard, jobs, keys,
    live, login, nodes, overview, plugin, plugins, replay, settings, sources, subscription,
    subscription_form, subscriptions, tenants, workbench,
};

/// Largest form with a component, which has a limit of its own.
const MAX_UPLOAD_BYTES: usize = 20 * 1024 * 1024;

/// The dashboard, ready to be served beside the API.
pub fn router(parts: UiParts) -> Router {
    let ui = Ui::new(parts);
    open()
        .merge(looking())
        .merge(subscribing())
        .merge(receiving())
        .merge(operating())
        .route("/ui/{*rest}", get(async || Refusal::no_page()))
        .layer(from_fn_with_state(ui.clone(), guard::around))
        .with_state(ui)
}

/// Without a session.
fn open() -> Router<Ui> {
    Router::new()
        .route("/ui/login", get(login::show).post(login::sign_in))
        .route("/ui/logout", post(login::sign_out))
        .route("/ui/enter", get(enter::show).post(enter::enter))
        .route("/ui/theme.css", get(assets::theme))
        .route("/ui/logo", get(assets::logo))
        .route("/ui/assets/style.css", get(assets::style))
        .route("/ui/assets/dashboard.js", get(assets::script))
        .route("/ui/assets/icon.svg", get(assets::icon))
}

fn looking() -> Router<Ui> {
    Router::new()
        .route("/ui", get(overview::show))
        .route("/ui/live", get(live::stream_overview))
        .route("/ui/events", get(events::show))
        .route("/ui/events/{id}", get(event::show))
        .route("/ui/events/{id}/data", get(event::fetch_data))
        .route("/ui/events/{id}/erase", post(event::erase))
        .route("/ui/deliveries", get(deliveries::show))
        .route("/ui/deliveries/chosen", post(deliveries::chosen))
        .route("/ui/deliveries/retry", post(deliveries::retry_many))
        .route("/ui/deliveries/{id}", get(delivery::show))
        .route("/ui/deliveries/{id}/retry", post(delivery::retry))
        .route("/ui/deliveries/{id}/cancel", post(delivery::cancel))
        .route("/ui/jobs", get(jobs::list))
        .route("/ui/jobs/{id}", get(jobs::show))
        .route("/ui/jobs/{id}/cancel", post(jobs::cancel))
}

fn subscribing() -> Router<Ui> {
    let one = "/ui/subscriptions/{id}";
    Router::new()
        .route(
            "/ui/subscriptions",
            get(subscriptions::show).post(subscription_form::create),
        )
        .route("/ui/subscriptions/new", get(subscription_form::new))
        .route("/ui/subscriptions/check", post(subscription_form::check))
        .route(one, get(subscription::show))
        .route(
            &format!("{one}/edit"),
            get(subscription_form::edit).post(subscription_form::change),
        )
        .route(&format!("{one}/explain"), post(subscription::explain))
        .route(&format!("{one}/replay"), post(replay::replay))
        .route(&format!("{one}/{{verb}}"), post(subscription::act))
}

fn receiving() -> Router<Ui> {
    Router::new()
        .route("/ui/sources", get(sources::list).post(sources::create))
        .route("/ui/sources/{id}", get(sources::show))
        .route("/ui/sources/{id}/rotate", post(sources::rotate))
        .route("/ui/sources/{id}/delete", post(sources::delete))
}

fn operating() -> Router<Ui> {
    let one = "/ui/plugins/{name}";
    Router::new()
        .route("/ui/plugins", get(plugins::show))
        .merge(
            Router::new()
                .route("/ui/plugins", post(plugins::upload))
                .layer(DefaultBodyLimit::max(MAX_UPLOAD_BYTES)),
        )
        .route(one, get(plugin::show))
        .route(
            &format!("{one}/try"),
            get(workbench::show).post(workbench::run),
        )
        .route(&format!("{one}/activate"), post(plugin::activate))
        .route(&format!("{one}/backtest"), post(plugin::backtest))
        .route("/ui/keys", get(keys::show).post(keys::create))
        .route("/ui/keys/{id}/revoke", post(keys::revoke))
        .route("/ui/audit", get(audit::show))
        .route("/ui/tenants", get(tenants::show).post(tenants::set_quota))
        .route("/ui/portal", post(tenants::make_link))
        .route("/ui/nodes", get(nodes::show))
        .route("/ui/settings", get(settings::show))
}
