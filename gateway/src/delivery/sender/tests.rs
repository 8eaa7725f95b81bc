//! Real sockets on loopback, one receiver a test.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::EgressProxy;
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

pub(super) fn sender(rules: TargetRules, zone: &[&str]) -> (Sender, Arc<AtomicUsize>) {
    bounded(rules, zone, AttemptLimits::default())
}

fn bounded(rules: TargetRules, zone: &[&str], limits: AttemptLimits) -> (Sender, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let parts = parts(rules, zone, asked.clone());
    let sender = Sender::new(SenderParts { limits, ..parts });
    (sender, asked)
}

fn parts(rules: TargetRules, zone: &[&str], asked: Arc<AtomicUsize>) -> SenderParts {
    let addresses = zone.iter().map(|text| text.parse().unwrap()).collect();
    SenderParts {
        guard: Guard::new(rules),
        lookup: Arc::new(Zone(addresses, asked)),
        roots: RootCertStore::empty(),
        limits: AttemptLimits::default(),
        proxy: None,
        clock: Clock::new(|| Timestamp::from_ms(0)),
    }
}

/// One that goes through `proxy`, where every name is loopback.
pub(super) fn through(rules: TargetRules, proxy: EgressProxy) -> Sender {
    let parts = parts(rules, &["127.0.0.1"], Arc::default());
    let proxy = Some(proxy);
    Sender::new(SenderParts { proxy, ..parts })
}

/// The port of a receiver that takes everything.
pub(super) async fn receiving() -> u16 {
    receiver(answer("200 OK", "fine")).await.0
}

pub(super) fn closed() -> TargetRules {
    TargetRules::default()
}

/// One for receivers on loopback whose certificates go back to `roots`.
pub(super) fn trusting(roots: RootCertStore) -> Sender {
    let parts = parts(open(), &["127.0.0.1"], Arc::default());
    Sender::new(SenderParts { roots, ..parts })
}

pub(super) fn open() -> TargetRules {
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
    SayAndClose(&'static str),
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
            Act::SayAndClose(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                return;
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

pub(super) async fn post(sender: &Sender, target: &str, limit_ms: u64) -> Sent {
    post_by(sender, target, limit_ms, None).await
}

pub(super) async fn post_by(
    sender: &Sender,
    target: &str,
    limit_ms: u64,
    tls: Option<&ReceiverTls>,
) -> Sent {
    let target = TargetUrl::from_stored(target).unwrap();
    let route = Route {
        tenant: TenantId::new(1),
        target: &target,
        tls,
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
    let most = AttemptLimits::default().max_excerpt_bytes;
    assert_eq!(sent.excerpt.unwrap().len(), most);
    assert_eq!(sent.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(sent.address, Some("127.0.0.1".parse().unwrap()));
    let sent = outcome_of(answer("200 OK", &long), 10_000).await;
    assert_eq!((sent.outcome, sent.excerpt), (Outcome::Accepted, None));
}

/// Of one request with a minute's time, to a receiver that does `act`.
async fn bounded_by(limits: AttemptLimits, act: Act, scheme: &str) -> (Sent, Duration) {
    let (port, _) = receiver(act).await;
    let (sender, _) = bounded(open(), &["127.0.0.1"], limits);
    let begun = std::time::Instant::now();
    let target = format!("{scheme}://receiver.test:{port}/");
    let sent = post(&sender, &target, 60_000).await;
    (sent, begun.elapsed())
}

#[tokio::test]
async fn each_part_of_an_attempt_has_a_limit_of_its_own() {
    let short = Duration::from_millis(100);
    let limits = AttemptLimits::default();
    let connect = AttemptLimits {
        connect_timeout: short,
        ..limits
    };
    let first_byte = AttemptLimits {
        first_byte_timeout: short,
        ..limits
    };
    let attempt = AttemptLimits {
        attempt_timeout: short,
        ..limits
    };
    let half_an_answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    for (limits, act, scheme, outcome, reason) in [
        // A handshake that gets no answer is no connection.
        (
            connect,
            Act::SayAndHang(""),
            "https",
            Outcome::Unreachable,
            "no connection in time",
        ),
        (
            first_byte,
            Act::SayAndHang(""),
            "http",
            Outcome::TimedOut,
            "no answer began within 100ms",
        ),
        (
            attempt,
            Act::SayAndHang(half_an_answer),
            "http",
            Outcome::TimedOut,
            "no whole answer within 100ms",
        ),
    ] {
        let (sent, took) = bounded_by(limits, act, scheme).await;
        assert_eq!(
            (sent.outcome, sent.reason.as_deref()),
            (outcome, Some(reason))
        );
        assert!(took < Duration::from_secs(4), "{took:?}: {sent:?}");
    }
}

#[tokio::test]
async fn what_is_read_and_kept_of_an_answer_is_set() {
    let long = answer("500 Oops", &"x".repeat(5_000));
    for (max_answer_bytes, max_excerpt_bytes, expected_connections) in
        [(8_000, 1_000, 1), (1_024, 100, 2), (1_024, 0, 2)]
    {
        let limits = AttemptLimits {
            max_answer_bytes,
            max_excerpt_bytes,
            ..AttemptLimits::default()
        };
        let (port, connections) = receiver(long.clone()).await;
        let (sender, _) = bounded(open(), &["127.0.0.1"], limits);
        for _ in 0..2 {
            let sent = post(&sender, &format!("http://receiver.test:{port}/"), 10_000).await;
            assert_eq!(sent.status, Some(500));
            let kept = sent.excerpt.map_or(0, |excerpt| excerpt.len());
            assert_eq!(kept, max_excerpt_bytes);
        }
        // What was not read to its end costs its connection.
        assert_eq!(connections.load(Ordering::Relaxed), expected_connections);
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_attempt() {
    let (port, connections) = receiver(Act::SayAndClose(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    let (sender, _) = sender(open(), &["127.0.0.1"]);
    for _ in 0..20 {
        let sent = post(&sender, &format!("http://receiver.test:{port}/"), 10_000).await;
        assert_eq!(sent.outcome, Outcome::Accepted, "{sent:?}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 20);
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
