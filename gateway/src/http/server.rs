//! The accept loop: connections within bounds, each with its timers, all gone when it stops.
//!
//! HTTP/1.1 only. A connection that says nothing, or says it slowly, is closed, and so is one that
//! does not take its answer; the next ones wait in the kernel while all permits are taken. What
//! bodies bring is counted against the room of the process.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use http::request::Parts;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::Api;
use super::caller::Operator;
use super::problem::Problem;
use crate::config::ServerConfig;
use crate::ingest::room::Room;
use crate::lifecycle::Shutdown;

/// Most header fields of a request.
const MAX_HEADERS: usize = 64;
/// Largest header block.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Longest time that connections get to finish when the gateway stops.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after an accept failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the end is told.
#[derive(Clone, Debug)]
pub struct Ending {
    /// From here on every answer closes its connection, so that clients go to other nodes.
    pub draining: CancellationToken,
    /// From here on nothing new is taken.
    pub stop: CancellationToken,
}

impl Ending {
    #[must_use]
    pub fn of(shutdown: &Shutdown) -> Self {
        Self {
            draining: shutdown.draining(),
            stop: shutdown.soft(),
        }
    }
}

/// What is served: the routes, and the room for what is sent to them.
#[derive(Clone, Debug)]
pub struct Served {
    pub router: Router,
    pub room: Room,
}

/// Serves until `ending.stop`, then lets requests that are under way end.
pub async fn serve(listener: TcpListener, served: Served, config: ServerConfig, ending: Ending) {
    let patience = Patience {
        header: config.header_timeout,
        answer: config.body_timeout,
    };
    let stop = ending.stop.clone();
    let permits = Arc::new(Semaphore::new(config.max_connections.get()));
    let connections = TaskTracker::new();
    while let Some(permit) = stop
        .run_until_cancelled(permits.clone().acquire_owned())
        .await
    {
        let permit = permit.expect("the semaphore is never closed");
        match stop.run_until_cancelled(listener.accept()).await {
            Some(Ok((stream, peer))) => {
                let serving =
                    serve_connection((stream, peer), served.clone(), patience, ending.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Some(Err(error)) => {
                warn!(error = %error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => break,
        }
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait())
        .await
        .is_err()
    {
        warn!(
            http.connections = connections.len(),
            "connections did not end in time"
        );
    }
}

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For the head of a request, and so between two requests.
    header: Duration,
    /// While nothing of an answer is taken.
    answer: Duration,
}

async fn serve_connection(
    (stream, peer): (TcpStream, SocketAddr),
    served: Served,
    patience: Patience,
    ending: Ending,
) {
    let Served { router, room } = served;
    let Ending { draining, stop } = ending;
    if let Err(error) = stream.set_nodelay(true) {
        return debug!(error = %error, "a connection was gone at once");
    }
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let (router, draining) = (router.clone(), draining.clone());
        let share = room.share();
        async move {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            // Kept here too: the bytes are held until there is an answer.
            request.extensions_mut().insert(share.clone());
            let mut response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if draining.is_cancelled() {
                let close = http::HeaderValue::from_static("close");
                response
                    .headers_mut()
                    .insert(http::header::CONNECTION, close);
            }
            drop(share);
            Ok::<_, Infallible>(response)
        }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience.answer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Runs from the first byte that is awaited, so it bounds idle connections too.
        .header_read_timeout(patience.header)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "a connection broke");
    }
}

/// A caller on this machine, or one with a key that may read what is about all tenants.
#[derive(Debug)]
pub struct LocalOrOperator;

impl FromRequestParts<Api> for LocalOrOperator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        if peer.is_some_and(|ConnectInfo(peer)| peer.ip().is_loopback()) {
            return Ok(Self);
        }
        Operator::from_request_parts(parts, api).await.map(|_| Self)
    }
}
