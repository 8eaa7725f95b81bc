//! Sends one request to a target that the guard lets through, and says what came of it.
//!
//! The only place that speaks HTTP to receivers. A [`way::Way`] belongs to one tenant and one
//! origin, knows no other address than those that were judged for it, and lives for a minute;
//! [`connect`] dials those addresses, [`wire`] is a connection, [`pool`] keeps it for the next
//! request. No proxy from the environment, no redirect, no cookie, no decompression. Whatever a
//! receiver does, the call ends at its deadline and keeps at most a few KiB. Decides nothing about
//! retries.

mod connect;
mod failure;
mod metered;
mod pool;
mod proxy;
mod tls;
mod way;
mod wire;

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use rustls::RootCertStore;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;
use url::Position;

use self::failure::Failure;
use self::tls::Trust;
pub use self::tls::system_roots;
use self::way::{WAY_LIFE, Way};
use self::wire::{Outgoing, Wire};
use super::answer;
use super::guard::{Destination, Guard, Refusal};
use super::kept::Kept;
use super::request::OutgoingRequest;
use super::resolver::{Lookup, MAX_ADDRESSES};
use crate::config::{AttemptLimits, EgressProxy};
use crate::domain::access::ReceiverTls;
use crate::domain::attempt::Outcome;
use crate::domain::clock::Clock;
use crate::domain::ids::TenantId;
use crate::domain::target_url::TargetUrl;

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a failure to reach a verdict spares the resolver.
const FAILURE_LIFE: Duration = Duration::from_secs(1);
const MAX_WAYS: usize = 1024;
/// Connections that wait for their next request, of all ways together.
const MAX_IDLE_WIRES: usize = 4096;

/// Where a request goes, and on whose behalf.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    pub tenant: TenantId,
    pub target: &'a TargetUrl,
    /// Where it is not the deployment's own.
    pub tls: Option<&'a ReceiverTls>,
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
    pub limits: AttemptLimits,
    /// What all goes through; nothing where it is none.
    pub proxy: Option<EgressProxy>,
    pub clock: Clock,
}

impl std::fmt::Debug for SenderParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderParts").finish_non_exhaustive()
    }
}

/// Tenant, origin, and the TLS that is not the deployment's own.
type WayKey = (TenantId, Box<str>, Option<[u8; 32]>);

/// Sends requests to receivers.
pub struct Sender {
    guard: Guard,
    lookup: Arc<dyn Lookup>,
    trust: Trust,
    limits: AttemptLimits,
    proxy: Option<Arc<EgressProxy>>,
    clock: Clock,
    ways: Kept<WayKey, Result<Arc<Way>, Failure>>,
    idle_wires: Arc<Semaphore>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// When the whole has to be over, and how long that was given.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// Waits for a part of the whole; `late` says what it means where the part alone took too long.
    async fn part<T>(
        self,
        limit: Duration,
        late: impl FnOnce() -> Failure,
        work: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let at = self.at.min(Instant::now() + limit);
        timeout_at(at, work)
            .await
            .map_err(|_| if at < self.at { late() } else { self.is_over() })
    }

    async fn whole<T>(self, work: impl Future<Output = T>) -> Result<T, Failure> {
        timeout_at(self.at, work).await.map_err(|_| self.is_over())
    }

    fn is_over(self) -> Failure {
        Failure::timed_out(format!("no whole answer within {:?}", self.limit))
    }
}

impl Sender {
    /// # Panics
    /// Where the TLS library lacks what it is built with.
    #[must_use]
    pub fn new(parts: SenderParts) -> Self {
        Self {
            guard: parts.guard,
            lookup: parts.lookup,
            trust: Trust::new(parts.roots),
            limits: parts.limits,
            proxy: parts.proxy.map(Arc::new),
            clock: parts.clock,
            ways: Kept::new(MAX_WAYS, |way| match way {
                Ok(_) => WAY_LIFE,
                Err(_) => FAILURE_LIFE,
            }),
            idle_wires: Arc::new(Semaphore::new(MAX_IDLE_WIRES)),
        }
    }

    /// Sends `request` within `limit`, or within what the deployment allows where that is less. It
    /// spans everything from the look-up of the name to the last byte of the answer.
    pub async fn send(&self, route: Route<'_>, request: OutgoingRequest, limit: Duration) -> Sent {
        let limit = limit.min(self.limits.attempt_timeout);
        let at = Instant::now() + limit;
        let mut sent = Sent::of(Outcome::TimedOut);
        let exchange = self.exchange(route, request, Deadline { at, limit }, &mut sent);
        if let Err(failure) = exchange.await {
            sent.outcome = failure.outcome;
            sent.reason = Some(failure.reason);
        }
        sent
    }

    /// Fills `sent` as it goes, so that what is known survives the deadline.
    async fn exchange(
        &self,
        route: Route<'_>,
        request: OutgoingRequest,
        deadline: Deadline,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let way = deadline.whole(self.way(route)).await??;
        sent.address = way.only_address();
        let keeps_answer = request.keeps_answer;
        let outgoing = outgoing(route.target, &way.host, request)?;
        let (mut wire, response) = self.answer(&way, outgoing, deadline, sent).await?;

        let (head, body) = response.into_parts();
        sent.status = Some(head.status.as_u16());
        sent.retry_after = head
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| answer::retry_after(value, self.clock.now()));
        let is_success = head.status.is_success();
        let kept_bytes = match (keeps_answer, is_success) {
            (true, _) => self.limits.max_answer_bytes,
            (false, false) => self.limits.max_excerpt_bytes,
            (false, true) => 0,
        };
        let read = self.read(&mut wire, body, kept_bytes);
        let (beginning, is_whole) = deadline.whole(read).await??;
        if is_whole {
            way.give_back(wire);
        }
        if is_success {
            sent.outcome = Outcome::Accepted;
        } else {
            sent.outcome = Outcome::Refused;
            sent.reason = refusal(head.status);
            sent.excerpt = answer::excerpt(&beginning, self.limits.max_excerpt_bytes);
        }
        if keeps_answer {
            sent.answered = head.headers;
            sent.answer = beginning;
        }
        Ok(())
    }

    /// The head of the answer, on a connection that was used before or on a new one. A request that
    /// met a connection at its end goes out again only where nothing of it has been sent.
    async fn answer(
        &self,
        way: &Way,
        mut request: Outgoing,
        deadline: Deadline,
        sent: &mut Sent,
    ) -> Result<(Box<Wire>, Response<Incoming>), Failure> {
        let no_connection = || Failure::unreachable("no connection in time");
        let no_head = || {
            let limit = self.limits.first_byte_timeout;
            Failure::timed_out(format!("no answer began within {limit:?}"))
        };
        loop {
            let used = way.used();
            let is_used = used.is_some();
            let mut wire = match used {
                Some(wire) => wire,
                None => {
                    let limit = self.limits.connect_timeout;
                    deadline.part(limit, no_connection, way.connect()).await??
                }
            };
            sent.address = Some(wire.address);
            let limit = self.limits.first_byte_timeout;
            let answered = deadline
                .part(limit, no_head, wire.send(request, self.max_said_bytes()))
                .await?;
            match answered {
                Ok(response) => return Ok((wire, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if is_used => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// The answer's beginning, of at most `kept_bytes`, and whether it was read to its end. Reading
    /// on lets the connection be used again; past the limit it is not worth that.
    async fn read(
        &self,
        wire: &mut Wire,
        mut body: Incoming,
        kept_bytes: usize,
    ) -> Result<(Vec<u8>, bool), Failure> {
        let mut beginning = Vec::new();
        let mut read_bytes = 0;
        while !body.is_end_stream() {
            let Some(frame) = wire.drive(body.frame()).await else {
                break;
            };
            let Ok(chunk) = frame?.into_data() else {
                continue;
            };
            let room = kept_bytes - beginning.len();
            beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
            read_bytes += chunk.len();
            if read_bytes > self.limits.max_answer_bytes {
                return Ok((beginning, false));
            }
        }
        Ok((beginning, true))
    }

    /// All that a receiver may say to one request: interim answers, a head, a body in pieces of
    /// which most are larger than a byte, and what is read ahead.
    fn max_said_bytes(&self) -> usize {
        2 * wire::MAX_BUFFER_BYTES + 6 * self.limits.max_answer_bytes
    }

    async fn way(&self, route: Route<'_>) -> Result<Arc<Way>, Failure> {
        let origin = &route.target.url()[..Position::BeforePath];
        let tls = route.tls.map(|tls| tls.digest);
        let key = (route.tenant, Box::from(origin), tls);
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
        let room = self.idle_wires.clone();
        let tls = match route.target.url().scheme() {
            "https" => Some(self.trust.config(route.tls)),
            _ => None,
        };
        let way = Way::new(route.target.url(), (vetted, self.proxy.clone()), tls, room)?;
        Ok(Arc::new(way))
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
}

/// `request` in the form in which it goes over the wire.
fn outgoing(
    target: &TargetUrl,
    host: &HeaderValue,
    request: OutgoingRequest,
) -> Result<Outgoing, Failure> {
    let path = &target.url()[Position::BeforePath..Position::AfterQuery];
    let path = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(path.as_bytes()))
        .map_err(|_| Failure::unreachable("the target's path cannot be requested"))?;
    let mut outgoing = Outgoing::new(Full::new(request.body));
    *outgoing.method_mut() = request.method;
    *outgoing.uri_mut() = Uri::from(path);
    *outgoing.headers_mut() = request.headers;
    let headers = outgoing.headers_mut();
    headers.insert(header::HOST, host.clone());
    Ok(outgoing)
}

fn refusal(status: StatusCode) -> Option<String> {
    status
        .is_redirection()
        .then(|| "redirects are not followed".to_owned())
}
