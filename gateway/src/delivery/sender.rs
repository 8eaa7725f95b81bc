//! Sends one request to a target that the guard lets through, and says what came of it.
//!
//! The only place that speaks HTTP to receivers. It connects to vetted addresses alone: a client
//! belongs to one tenant and one origin, knows no other address than those that were judged for
//! it, and lives for a minute, so that no pooled connection outlives a changed verdict. No proxy
//! from the environment, no redirect, no cookie, no decompression. Whatever a receiver does, the
//! call ends at its deadline and keeps at most a few KiB. Decides nothing about retries.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, ready};
use http::header::HeaderMap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tracing::{debug, warn};
use url::Position;

use super::answer::{self, MAX_EXCERPT_BYTES, MAX_READ_BYTES};
use super::guard::{Destination, Guard, Refusal};
use super::kept::Kept;
use super::request::OutgoingRequest;
use super::resolver::{Lookup, MAX_ADDRESSES};
use crate::domain::attempt::Outcome;
use crate::domain::clock::Clock;
use crate::domain::ids::TenantId;
use crate::domain::target_url::TargetUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the five seconds after which common servers hang up, so that a request does not
/// meet a connection that is being closed.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// How long a verdict about addresses holds.
const CLIENT_LIFE: Duration = Duration::from_secs(60);
/// How long a failure to reach a verdict spares the resolver.
const FAILURE_LIFE: Duration = Duration::from_secs(1);
const MAX_CLIENTS: usize = 1024;
/// Sessions kept for resumption by one client.
const MAX_SESSIONS: usize = 8;

/// Where a request goes, and on whose behalf.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    pub tenant: TenantId,
    pub target: &'a TargetUrl,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub outcome: Outcome,
    pub status: Option<u16>,
    /// The address that was dialled, where it is known.
    pub address: Option<IpAddr>,
    /// How long the receiver asked us to wait.
    pub retry_after: Option<Duration>,
    /// Why it was not accepted, in words for the subscription's owner.
    pub reason: Option<String>,
    /// Beginning of an answer that was not 2xx.
    pub excerpt: Option<String>,
    /// Headers of the answer, where they were asked for.
    pub answered: HeaderMap,
    /// Beginning of the answer, likewise.
    pub answer: Vec<u8>,
}

impl Sent {
    /// Of which nothing else is known.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: None,
            address: None,
            retry_after: None,
            reason: None,
            excerpt: None,
            answered: HeaderMap::new(),
            answer: Vec::new(),
        }
    }
}

/// What a sender is made of.
pub struct SenderParts {
    pub guard: Guard,
    pub lookup: Arc<dyn Lookup>,
    /// Certificates that receivers' certificates may go back to.
    pub roots: RootCertStore,
    pub clock: Clock,
}

impl std::fmt::Debug for SenderParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderParts").finish_non_exhaustive()
    }
}

/// Sends requests to receivers.
pub struct Sender {
    guard: Guard,
    lookup: Arc<dyn Lookup>,
    tls: ClientConfig,
    clock: Clock,
    ways: Kept<(TenantId, Box<str>), Result<Arc<Way>, Failure>>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// A client and the only addresses that it can connect to.
struct Way {
    client: reqwest::Client,
    vetted: Box<[IpAddr]>,
}

/// Why no request was made, or no answer came.
#[derive(Clone, Debug)]
struct Failure {
    outcome: Outcome,
    reason: String,
}

impl Failure {
    fn unreachable(reason: &str) -> Self {
        Self {
            outcome: Outcome::Unreachable,
            reason: reason.to_owned(),
        }
    }

    fn blocked(reason: impl ToString) -> Self {
        Self {
            outcome: Outcome::Blocked,
            reason: reason.to_string(),
        }
    }
}

impl Sender {
    /// # Panics
    /// Where the TLS library lacks what it is built with.
    #[must_use]
    pub fn new(parts: SenderParts) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(parts.roots)
            .with_no_client_auth();
        Self {
            guard: parts.guard,
            lookup: parts.lookup,
            tls,
            clock: parts.clock,
            ways: Kept::new(MAX_CLIENTS, |way| match way {
                Ok(_) => CLIENT_LIFE,
                Err(_) => FAILURE_LIFE,
            }),
        }
    }

    /// Sends `request` within `limit`, which spans everything from the look-up of the name to the
    /// last byte of the answer.
    pub async fn send(&self, route: Route<'_>, request: OutgoingRequest, limit: Duration) -> Sent {
        let mut sent = Sent::of(Outcome::TimedOut);
        match timeout(limit, self.exchange(route, request, &mut sent)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                sent.outcome = failure.outcome;
                sent.reason = Some(failure.reason);
            }
            Err(_) => sent.reason = Some(format!("no whole answer within {limit:?}")),
        }
        sent
    }

    /// Fills `sent` as it goes, so that what is known survives the deadline.
    async fn exchange(
        &self,
        route: Route<'_>,
        request: OutgoingRequest,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let way = self.way(route).await?;
        if let [address] = *way.vetted {
            sent.address = Some(address);
        }
        let url = route.target.url().clone();
        let mut outgoing = reqwest::Request::new(request.method, url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = Some(request.body.into());
        let response = way.client.execute(outgoing).await;
        let response = response.map_err(|error| describe(&error))?;

        if let Some(address) = response.remote_addr().map(|remote| remote.ip()) {
            sent.address = Some(address);
            if !way.vetted.contains(&address) {
                warn!(%address, "answer from an address that was not vetted");
                return Err(Failure::blocked("the answer came from another address"));
            }
        }
        let status = response.status();
        sent.status = Some(status.as_u16());
        sent.retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| answer::retry_after(value, self.clock.now()));
        if request.keeps_answer {
            sent.answered.clone_from(response.headers());
        }
        let beginning = read(response).await?;
        if request.keeps_answer {
            sent.answer.clone_from(&beginning);
        }
        if status.is_success() {
            sent.outcome = Outcome::Accepted;
        } else {
            sent.outcome = Outcome::Refused;
            sent.reason = refusal(status);
            sent.excerpt = answer::excerpt(&beginning);
        }
        Ok(())
    }

    async fn way(&self, route: Route<'_>) -> Result<Arc<Way>, Failure> {
        let origin = &route.target.url()[..Position::BeforePath];
        let key = (route.tenant, Box::from(origin));
        self.ways.get(key, || self.find_way(route)).await
    }

    async fn find_way(&self, route: Route<'_>) -> Result<Arc<Way>, Failure> {
        let refuse = |refusal: Refusal| {
            let host = route.target.url().host_str().unwrap_or_default();
            debug!(target.host = host, ?refusal, "target refused");
            Failure::blocked(refusal)
        };
        let vetted = match self.guard.destination(route.target).map_err(refuse)? {
            Destination::Literal(address) => vec![address],
            Destination::Name(name) => {
                let addresses = self.resolve(&name).await?;
                self.guard.judge(&addresses).map_err(refuse)?;
                addresses
            }
        };
        let port = route.target.url().port_or_known_default().unwrap_or(443);
        let client = self.client(&vetted, port)?;
        let vetted = vetted.into();
        Ok(Arc::new(Way { client, vetted }))
    }

    /// Resolver errors name internal servers and search domains, so the owner sees none of them.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let addresses = match timeout(LOOKUP_TIMEOUT, self.lookup.addresses(name)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => {
                debug!(target.host = name, %error, "target not resolved");
                return Err(Failure::unreachable("the target's name was not resolved"));
            }
            Err(_) => {
                return Err(Failure::unreachable(
                    "the target's name was not resolved in time",
                ));
            }
        };
        match addresses.len() {
            0 => Err(Failure::unreachable("the target's name has no address")),
            1..=MAX_ADDRESSES => Ok(addresses),
            _ => Err(Failure::blocked("the target's name has too many addresses")),
        }
    }

    fn client(&self, vetted: &[IpAddr], port: u16) -> Result<reqwest::Client, Failure> {
        let mut tls = self.tls.clone();
        // Session tickets of one tenant are no business of another's.
        tls.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        let pinned = vetted.iter().map(|ip| SocketAddr::new(*ip, port));
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Pinned(pinned.collect())))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(MAX_IDLE)
            .build();
        client.map_err(|error| {
            warn!(%error, "client could not be made");
            Failure::unreachable("no client could be made for the target")
        })
    }
}

/// Certificates that the system trusts.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        warn!(errors = ?found.errors, "no system certificates found, https targets cannot be verified: install ca-certificates");
    }
    roots
}

/// Answers with the vetted addresses, whatever it is asked.
struct Pinned(Arc<[SocketAddr]>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let pinned = self.0.clone();
        let addresses: Addrs = Box::new((0..pinned.len()).map(move |index| pinned[index]));
        ready(Ok(addresses)).boxed()
    }
}

/// The answer's beginning. Reading on lets the connection be used again; past the limit it is not
/// worth that, and dropping the rest closes it.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut beginning = Vec::new();
    let mut read_bytes = 0;
    while read_bytes <= MAX_READ_BYTES {
        let chunk = response.chunk().await.map_err(|error| describe(&error))?;
        let Some(chunk) = chunk else { break };
        let room = MAX_EXCERPT_BYTES - beginning.len();
        beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
        read_bytes += chunk.len();
    }
    Ok(beginning)
}

fn refusal(status: reqwest::StatusCode) -> Option<String> {
    status
        .is_redirection()
        .then(|| "redirects are not followed".to_owned())
}

/// Words for an error of the client. The first known cause speaks; texts of libraries are shown
/// only where they are about the receiver's certificate.
fn describe(error: &reqwest::Error) -> Failure {
    if error.is_connect() && error.is_timeout() {
        return Failure::unreachable("no connection in time");
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(words) = error
            .downcast_ref::<rustls::Error>()
            .map(describe_tls)
            .or_else(|| error.downcast_ref().and_then(describe_io))
            .or_else(|| error.downcast_ref().and_then(describe_http))
        {
            return Failure::unreachable(&words);
        }
        cause = error.source();
    }
    Failure::unreachable(if error.is_connect() {
        "no connection"
    } else {
        "the exchange broke off"
    })
}

fn describe_tls(error: &rustls::Error) -> String {
    format!("TLS failed: {error}")
}

fn describe_io(error: &io::Error) -> Option<String> {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return Some(describe_tls(tls));
    }
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to it",
        io::ErrorKind::TimedOut => "no connection in time",
        io::ErrorKind::UnexpectedEof => "connection closed early",
        _ => return None,
    };
    Some(words.to_owned())
}

fn describe_http(error: &hyper::Error) -> Option<String> {
    let words = if error.is_incomplete_message() {
        "connection closed without a whole answer"
    } else if error.is_parse() {
        "the answer is not HTTP"
    } else {
        return None;
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::BoxFuture;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::target_url::TargetRules;

    /// A zone with one set of addresses for every name.
    struct Zone(Vec<IpAddr>, Arc<AtomicUsize>);

    impl Lookup for Zone {
        fn addresses(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            ready(Ok(self.0.clone())).boxed()
        }
    }

    fn sender(rules: TargetRules, zone: &[&str]) -> (Sender, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let addresses = zone.iter().map(|text| text.parse().unwrap()).collect();
        let sender = Sender::new(SenderParts {
            guard: Guard::new(rules),
            lookup: Arc::new(Zone(addresses, asked.clone())),
            roots: RootCertStore::empty(),
            clock: Clock::new(|| Timestamp::from_ms(0)),
        });
        (sender, asked)
    }

    fn open() -> TargetRules {
        TargetRules {
            allow_private_networks: true,
            allowed_ports: vec![],
        }
    }

    /// What a receiver does with a connection after it has read a request.
    #[derive(Clone)]
    enum Act {
        Say(Vec<u8>),
        /// Then nothing, with the connection open.
        SayAndHang(&'static str),
        /// Then one byte now and then.
        Dribble(&'static str),
        Reset,
    }

    /// A raw receiver on loopback; counts its connections.
    async fn receiver(act: Act) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, act.clone()));
            }
        });
        (port, connections)
    }

    async fn serve(mut stream: TcpStream, act: Act) {
        let mut request = vec![0; 4096];
        while let Ok(1..) = stream.read(&mut request).await {
            match &act {
                Act::Say(text) => {
                    let _ = stream.write_all(text).await;
                }
                Act::SayAndHang(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                    std::future::pending::<()>().await;
                }
                Act::Dribble(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                    while stream.write_all(b"x").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    return;
                }
                Act::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
            }
        }
    }

    fn answer(head: &str, body: &str) -> Act {
        let length = body.len();
        let text = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
        Act::Say(text.into_bytes())
    }

    async fn post(sender: &Sender, target: &str, limit_ms: u64) -> Sent {
        let target = TargetUrl::from_stored(target).unwrap();
        let route = Route {
            tenant: TenantId::new(1),
            target: &target,
        };
        let request = OutgoingRequest {
            method: http::Method::POST,
            keeps_answer: false,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(b"{}"),
        };
        sender
            .send(route, request, Duration::from_millis(limit_ms))
            .await
    }

    async fn outcome_of(act: Act, limit_ms: u64) -> Sent {
        let (port, _) = receiver(act).await;
        let (sender, _) = sender(open(), &["127.0.0.1"]);
        post(&sender, &format!("http://receiver.test:{port}/"), limit_ms).await
    }

    #[tokio::test]
    async fn each_answer_has_its_outcome() {
        for (act, outcome, status) in [
            (answer("200 OK", "fine"), Outcome::Accepted, Some(200)),
            (
                Act::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
                Outcome::Accepted,
                Some(204),
            ),
            (answer("410 Gone", ""), Outcome::Refused, Some(410)),
            (answer("500 Oops", "no"), Outcome::Refused, Some(500)),
            (
                answer("302 Found\r\nlocation: http://127.0.0.1:1/", ""),
                Outcome::Refused,
                Some(302),
            ),
            (
                Act::Say(b"SSH-2.0-x\r\n\r\n".to_vec()),
                Outcome::Unreachable,
                None,
            ),
            (Act::Reset, Outcome::Unreachable, None),
        ] {
            let sent = outcome_of(act, 10_000).await;
            assert_eq!((sent.outcome, sent.status), (outcome, status), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn the_deadline_is_total() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
        for (act, status) in [
            (Act::SayAndHang(""), None),
            (Act::SayAndHang("HTTP/1.1 200"), None),
            (Act::SayAndHang(head), Some(200)),
            (Act::Dribble(head), Some(200)),
            (Act::Dribble("HTTP/1.1 200 OK\r\nx-a: "), None),
        ] {
            let begun = std::time::Instant::now();
            let sent = outcome_of(act, 200).await;
            assert_eq!((sent.outcome, sent.status), (Outcome::TimedOut, status));
            assert!(begun.elapsed() < Duration::from_secs(5), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn long_answers_are_cut_and_waits_are_read() {
        let long = "x".repeat(10_000_000);
        let sent = outcome_of(answer("503 Busy\r\nretry-after: 7", &long), 10_000).await;
        assert_eq!(sent.excerpt.unwrap().len(), MAX_EXCERPT_BYTES);
        assert_eq!(sent.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(sent.address, Some("127.0.0.1".parse().unwrap()));
        let sent = outcome_of(answer("200 OK", &long), 10_000).await;
        assert_eq!((sent.outcome, sent.excerpt), (Outcome::Accepted, None));
    }

    #[tokio::test]
    async fn connections_are_kept_and_names_asked_for_once() {
        let (port, connections) = receiver(answer("200 OK", "fine")).await;
        let (sender, asked) = sender(open(), &["127.0.0.1"]);
        for _ in 0..5 {
            let sent = post(&sender, &format!("http://receiver.test:{port}/"), 10_000).await;
            assert_eq!(sent.outcome, Outcome::Accepted);
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_the_guard_refuses_is_never_dialled() {
        let (port, connections) = receiver(answer("200 OK", "")).await;
        let rules = TargetRules {
            allow_private_networks: false,
            allowed_ports: vec![port],
        };
        for (zone, target) in [
            (&["127.0.0.1"][..], format!("https://receiver.test:{port}/")),
            (
                &["8.8.8.8", "127.0.0.1"],
                format!("https://receiver.test:{port}/"),
            ),
            (
                &["::ffff:127.0.0.1"],
                format!("https://receiver.test:{port}/"),
            ),
            (&["8.8.8.8"], format!("https://127.0.0.1:{port}/")),
            (&["8.8.8.8"], format!("https://0x7f.1:{port}/")),
            (&["8.8.8.8"], format!("https://localhost:{port}/")),
            (&["8.8.8.8"], format!("http://receiver.test:{port}/")),
        ] {
            let (sender, _) = sender(rules.clone(), zone);
            let sent = post(&sender, &target, 10_000).await;
            assert_eq!(sent.outcome, Outcome::Blocked, "{target}: {sent:?}");
            assert!(!sent.reason.unwrap().contains("127.0.0.1"));
        }
        let (sender, _) = sender(open(), &["169.254.169.254"]);
        let sent = post(&sender, &format!("http://receiver.test:{port}/"), 10_000).await;
        assert_eq!(sent.outcome, Outcome::Blocked);
        assert_eq!(connections.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (sender, _) = sender(open(), &["127.0.0.1"]);
        let sent = post(&sender, &format!("http://receiver.test:{port}/"), 10_000).await;
        assert_eq!(sent.outcome, Outcome::Unreachable);
        assert_eq!(sent.reason.as_deref(), Some("connection refused"));
        let (sender, _) = super::tests::sender(open(), &[]);
        let sent = post(&sender, "http://nowhere.test/", 10_000).await;
        assert_eq!(
            sent.reason.as_deref(),
            Some("the target's name has no address")
        );
    }

    #[tokio::test]
    async fn certificates_are_verified() {
        let (port, _) = receiver(answer("200 OK", "")).await;
        let (sender, _) = sender(open(), &["127.0.0.1"]);
        let sent = post(&sender, &format!("https://receiver.test:{port}/"), 10_000).await;
        assert_eq!(sent.outcome, Outcome::Unreachable);
    }
}
