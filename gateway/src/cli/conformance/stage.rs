//! The receiver of the checks: answers each path by a script, and keeps what came.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::super::local_receiver::Arrival;

const MAX_BODY_BYTES: usize = 8 << 20;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Status(u16),
    Headers(u16, Vec<(&'static str, String)>),
    /// 200 with the `X-Hook-Secret` that came.
    Echo,
    /// 200 after a while.
    Slow(Duration),
    /// The connection is dropped without an answer.
    Drop,
}

/// A request and when it came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) at: Instant,
    pub(super) arrival: Arc<Arrival>,
}

#[derive(Debug, Default)]
struct Scene {
    /// The last act goes on for ever.
    acts: VecDeque<Act>,
    came: Vec<Came>,
}

#[derive(Debug, Default)]
struct State {
    scenes: Mutex<HashMap<String, Scene>>,
    changed: Notify,
}

#[derive(Debug)]
pub(super) struct Stage {
    base: String,
    state: Arc<State>,
    /// Ends with the stage.
    _tasks: JoinSet<()>,
}

impl Stage {
    pub(super) async fn open(listen: SocketAddr, base: Option<&str>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let base = base.map_or_else(|| format!("http://{address}"), str::to_owned);
        let state = Arc::<State>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            state,
            _tasks: tasks,
        })
    }

    /// The URL of a path that answers so.
    pub(super) fn set(&self, path: &str, acts: Vec<Act>) -> String {
        let mut scenes = self.state.scenes.lock();
        scenes.entry(path.to_owned()).or_default().acts = acts.into();
        format!("{}{path}", self.base)
    }

    pub(super) fn came(&self, path: &str) -> Vec<Came> {
        let scenes = self.state.scenes.lock();
        scenes
            .get(path)
            .map(|scene| scene.came.clone())
            .unwrap_or_default()
    }

    /// Waits until something has come anywhere, or `at_most` is over.
    pub(super) async fn changed(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.state.changed.notified()).await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&state)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the script says to drop the connection")]
struct Dropped;

async fn converse(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request: Request<Incoming>| answer(request, &state));
    // A sender that goes away in the middle tries again.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    state: &State,
) -> Result<Response<Empty<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|_| Dropped)?.to_bytes();
    let secret = head.headers.get("x-hook-secret").cloned();
    let act = {
        let mut scenes = state.scenes.lock();
        let scene = scenes.entry(head.uri.path().to_owned()).or_default();
        let arrival = Arc::new(Arrival { head, body });
        let at = Instant::now();
        scene.came.push(Came { at, arrival });
        match scene.acts.len() {
            0 => Act::Status(404),
            1 => scene.acts[0].clone(),
            _ => scene.acts.pop_front().unwrap_or(Act::Status(404)),
        }
    };
    state.changed.notify_waiters();
    let mut response = Response::new(Empty::new());
    match act {
        Act::Status(status) => *response.status_mut() = code(status),
        Act::Headers(status, headers) => {
            *response.status_mut() = code(status);
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::try_from(value) {
                    response
                        .headers_mut()
                        .insert(HeaderName::from_static(name), value);
                }
            }
        }
        Act::Echo => {
            if let Some(secret) = secret {
                response.headers_mut().insert("x-hook-secret", secret);
            }
        }
        Act::Slow(wait) => tokio::time::sleep(wait).await,
        Act::Drop => return Err(Dropped),
    }
    Ok(response)
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
