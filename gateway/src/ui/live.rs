//! What moves on the overview, sent to those who look (server-sent events).
//!
//! Each time the session is asked for anew, so it ends where the session does.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts as _, Query, Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::Ui;
use super::overview::{self, Asked};
use super::session::Visitor;

const EVERY: Duration = Duration::from_secs(2);

pub async fn stream_overview(
    State(ui): State<Ui>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Err(refused) = Visitor::from_request_parts(&mut parts, &ui).await {
        return refused;
    }
    let stopping = ui.parts().stopping.clone();
    let events = stream::unfold((parts, ui, asked), |(mut parts, ui, asked)| async move {
        tokio::time::sleep(EVERY).await;
        let visitor = Visitor::from_request_parts(&mut parts, &ui).await.ok()?;
        let event = match overview::region(&visitor, &asked.tenant).await {
            Ok(region) => Event::default().data(region.into_string()),
            Err(_) => Event::default().comment("not now"),
        };
        Some((Ok::<_, Infallible>(event), (parts, ui, asked)))
    });
    let until_stopped = futures_util::StreamExt::take_until(events, async move {
        stopping.cancelled().await;
    });
    Sse::new(until_stopped)
        .keep_alive(KeepAlive::default())
        .into_response()
}
