//! A receiver that keeps what it got, byte for byte, and answers by a script.
//!
//! Signatures are checked with the reference library and never with Hookgate's own code: a mistake
//! made on both sides would otherwise pass.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::wait;

/// How one request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This status and no body.
    Status(u16),
    /// This status with this body.
    Body(u16, Bytes),
    /// This status with `Retry-After` in seconds, rounded down.
    RetryAfter(u16, Duration),
    /// This status with these headers.
    Headers(u16, Vec<(&'static str, String)>),
    /// A 200 that brings the `X-Hook-Secret` back that came.
    EchoSecret,
    /// A redirect to this address.
    Redirect(String),
    /// A 200 after a while.
    Slow(Duration),
    /// This status after a while.
    Late(u16, Duration),
    /// Never.
    Hang,
    /// The connection is reset once the request has been read.
    Reset,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// When its last byte was there.
    pub arrived_at: Instant,
    pub replied: Reply,
}

/// A server on a free port of loopback; gone when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    /// Holds the accept loop, which holds all connections.
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    /// Answers still to be given; the last one is given again and again.
    script: Mutex<VecDeque<Reply>>,
    receipts: Mutex<Vec<Receipt>>,
    /// The secret of the subscription behind each path.
    secrets: Mutex<BTreeMap<String, String>>,
}

impl Receiver {
    /// Answers everything with 200.
    pub async fn accepting() -> Self {
        Self::answering([Reply::Status(200)]).await
    }

    /// Answers in this order, over all paths; the last answer goes on for ever.
    ///
    /// # Panics
    /// Where the script is empty, or loopback cannot be listened on.
    pub async fn answering(script: impl IntoIterator<Item = Reply>) -> Self {
        let script: VecDeque<Reply> = script.into_iter().collect();
        assert!(!script.is_empty(), "a receiver needs at least one answer");
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            script: Mutex::new(script),
            receipts: Mutex::default(),
            secrets: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            tasks,
        }
    }

    /// Answers differently from now on.
    pub fn now_answers(&self, script: impl IntoIterator<Item = Reply>) {
        *self.state.script.lock() = script.into_iter().collect();
    }

    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A path that no subscription has yet.
    #[must_use]
    pub fn next_path(&self) -> String {
        let mut secrets = self.state.secrets.lock();
        let path = format!("/hooks/{}", secrets.len() + 1);
        secrets.insert(path.clone(), String::new());
        path
    }

    /// What is sent to `path` is signed with `secret`.
    pub fn trust(&self, (path, secret): (&str, &str)) {
        let mut secrets = self.state.secrets.lock();
        secrets.insert(path.to_owned(), secret.to_owned());
    }

    /// Everything so far, in the order of arrival, answered or not.
    #[must_use]
    pub fn receipts(&self) -> Vec<Receipt> {
        self.state.receipts.lock().clone()
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.state.receipts.lock().len()
    }

    /// Waits until at least `count` requests have arrived, and hands over all of them.
    pub async fn received(&self, count: usize) -> Vec<Receipt> {
        let what = format!("{count} requests at the receiver");
        wait::until(&what, || async {
            (self.count() >= count).then(|| self.receipts())
        })
        .await
    }

    /// The same, once the reference library has found every signature in order.
    ///
    /// # Panics
    /// Where one is missing or wrong.
    pub async fn verified(&self, count: usize) -> Vec<Receipt> {
        let receipts = self.received(count).await;
        for receipt in &receipts {
            self.verify(receipt);
        }
        receipts
    }

    /// The same without the first `skipped`.
    pub async fn verified_from(&self, skipped: usize) -> Vec<Receipt> {
        let receipts = self.received(skipped + 1).await.split_off(skipped);
        for receipt in &receipts {
            self.verify(receipt);
        }
        receipts
    }

    /// # Panics
    /// Where the signature is not in order, or nobody subscribed with this path.
    pub fn verify(&self, receipt: &Receipt) {
        let secrets = self.state.secrets.lock();
        let secret = secrets
            .get(&receipt.path)
            .unwrap_or_else(|| panic!("nobody subscribed with {}", receipt.path));
        standardwebhooks::Webhook::new(secret)
            .expect("the secret is one")
            .verify(&receipt.body, &receipt.headers)
            .unwrap_or_else(|error| panic!("{}: {error}", receipt.id()));
    }
}

impl Receiver {
    /// Whether the reference library signs it in the same way; the age of the signature does not
    /// count, so this can be asked long afterwards.
    #[must_use]
    pub fn is_signed(&self, receipt: &Receipt) -> bool {
        let secrets = self.state.secrets.lock();
        let expected = || {
            let secret = secrets.get(&receipt.path)?;
            let at = receipt.header("webhook-timestamp")?.parse().ok()?;
            let webhook = standardwebhooks::Webhook::new(secret).ok()?;
            webhook
                .sign(receipt.header("webhook-id")?, at, &receipt.body)
                .ok()
        };
        let signatures = receipt.header("webhook-signature").unwrap_or_default();
        expected().is_some_and(|expected| signatures.split(' ').any(|one| one == expected))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

impl Receipt {
    /// The `webhook-id`, the same over all attempts of a delivery.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header("webhook-id").expect("each delivery has an id")
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the answer, if it arrived, told the sender never to send this again.
    #[must_use]
    pub fn was_accepted(&self) -> bool {
        match &self.replied {
            Reply::Status(status)
            | Reply::Body(status, _)
            | Reply::Headers(status, _)
            | Reply::RetryAfter(status, _)
            | Reply::Late(status, _) => (200..300).contains(status),
            Reply::Slow(_) | Reply::EchoSecret => true,
            Reply::Redirect(_) | Reply::Hang | Reply::Reset => false,
        }
    }

    /// # Panics
    /// Where the body is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The bytes of the member `data`, as they stand in the body.
    ///
    /// # Panics
    /// Where the body is not an object with `data`.
    #[must_use]
    pub fn data(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            data: &'a serde_json::value::RawValue,
        }
        let body: Body<'_> = serde_json::from_slice(&self.body).expect("the body has data");
        body.data.get().to_owned()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let Ok((stream, twin)) = with_twin(stream) else {
        return;
    };
    let twin = Arc::new(Mutex::new(Some(twin)));
    let service = service_fn(|request| reply(request, &state, &twin));
    // A client that goes away in the middle is part of many tests.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A second handle of the same socket: what it is told to do at its close holds for both.
fn with_twin(stream: TcpStream) -> std::io::Result<(TcpStream, TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, TcpStream::from_std(twin)?))
}

#[derive(Debug, thiserror::Error)]
#[error("the script says to reset the connection")]
struct ResetConnection;

async fn reply(
    request: Request<Incoming>,
    state: &State,
    twin: &Mutex<Option<TcpStream>>,
) -> Result<Response<Full<Bytes>>, ResetConnection> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Err(ResetConnection);
    };
    let reply = state.next_reply();
    let secret = head.headers.get("x-hook-secret").cloned();
    state.receipts.lock().push(Receipt {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
        arrived_at: Instant::now(),
        replied: reply.clone(),
    });
    match reply {
        Reply::Status(status) => Ok(answer(status, Bytes::new())),
        Reply::Body(status, body) => Ok(answer(status, body)),
        Reply::RetryAfter(status, pause) => Ok(with_header(
            answer(status, Bytes::new()),
            ("retry-after", &pause.as_secs().to_string()),
        )),
        Reply::Headers(status, headers) => {
            let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
            Ok(headers.fold(answer(status, Bytes::new()), with_header))
        }
        Reply::EchoSecret => {
            let secret = secret.as_ref().and_then(|secret| secret.to_str().ok());
            let secret = secret.unwrap_or_default();
            Ok(with_header(
                answer(200, Bytes::new()),
                ("x-hook-secret", secret),
            ))
        }
        Reply::Redirect(target) => Ok(with_header(
            answer(302, Bytes::new()),
            ("location", &target),
        )),
        Reply::Slow(pause) => {
            tokio::time::sleep(pause).await;
            Ok(answer(200, Bytes::new()))
        }
        Reply::Late(status, pause) => {
            tokio::time::sleep(pause).await;
            Ok(answer(status, Bytes::new()))
        }
        Reply::Hang => match std::future::pending::<Infallible>().await {},
        Reply::Reset => {
            if let Some(socket) = twin.lock().take() {
                // Where it cannot be set the close is an orderly one, which no client takes for an answer either.
                let _ = socket.set_zero_linger();
            }
            Err(ResetConnection)
        }
    }
}

impl State {
    fn next_reply(&self) -> Reply {
        let mut script = self.script.lock();
        if script.len() > 1 {
            script.pop_front()
        } else {
            script.front().cloned()
        }
        .expect("a script is never empty")
    }
}

fn answer(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status.try_into().expect("scripts name valid statuses");
    response
}

fn with_header(
    mut response: Response<Full<Bytes>>,
    (name, value): (&'static str, &str),
) -> Response<Full<Bytes>> {
    let value = value.parse().expect("scripts name valid header values");
    response.headers_mut().insert(name, value);
    response
}
