//! Clients that are slow, silent or too many cost a bounded time and a bounded number of
//! connections. Spoken byte by byte, since no HTTP client would do this.

use std::time::{Duration, Instant};

use hookgate_tests::gateway::ADMIN_KEY;
use hookgate_tests::{Gateway, GatewayOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{interval, timeout};

const LIMIT: Duration = Duration::from_secs(1);
/// Far more than the limit, far less than the defaults of 10 and 30 s.
const BY_THEN: Duration = Duration::from_secs(8);

async fn connect(gateway: &Gateway) -> TcpStream {
    let address = gateway.address();
    TcpStream::connect(address).await.unwrap()
}

/// One byte now and then, for ever; or nothing, and the connection stays open.
async fn drip(mut client: OwnedWriteHalf, bytes: &'static [u8]) {
    if bytes.is_empty() {
        std::future::pending::<()>().await;
    }
    let mut pause = interval(Duration::from_millis(50));
    for byte in bytes.iter().cycle() {
        pause.tick().await;
        if client.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_to_an_end_gets_408() {
    let options = GatewayOptions::default().set(("HOOKGATE_BODY_TIMEOUT", "1s"));
    let gateway = Gateway::start(options).await;
    for drips in [&b""[..], b" "] {
        let (mut answers, mut client) = connect(&gateway).await.into_split();
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {ADMIN_KEY}\r\n\
             content-type: application/json\r\ncontent-length: 100000\r\n\r\n{{\"type\":"
        );
        let begun = Instant::now();
        client.write_all(head.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(drip(client, drips));
        let mut answer = vec![0; 4096];
        let length = timeout(BY_THEN, answers.read(&mut answer)).await;
        let length = length.expect("an answer within the limit").unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();

        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("within 1 s"), "{answer}");
        assert!(begun.elapsed() >= LIMIT, "{:?}", begun.elapsed());
        dripping.abort();
    }
    let stored: i64 = sqlx::query_scalar("select count(*) from event")
        .fetch_one(&gateway.database().pool().await)
        .await
        .unwrap();
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn who_does_not_finish_a_request_is_hung_up_on() {
    let options = GatewayOptions::default().set(("HOOKGATE_HEADER_TIMEOUT", "1s"));
    let gateway = Gateway::start(options).await;
    for (what, said) in [
        ("nothing", &b""[..]),
        ("a head without end", b"GET /livez HTTP/1.1\r\nx-a: b\r\n"),
    ] {
        let begun = Instant::now();
        let (mut answers, client) = connect(&gateway).await.into_split();
        let dripping = tokio::spawn(drip(client, said));
        let mut rest = Vec::new();
        let closed = timeout(BY_THEN, answers.read_to_end(&mut rest)).await;
        // A reset is as good as an orderly end: bytes were on their way.
        let _ = closed.unwrap_or_else(|_| panic!("{what}: still connected"));
        assert!(begun.elapsed() >= LIMIT, "{what}: {:?}", begun.elapsed());
        dripping.abort();
    }
    // An idle connection that had a request answered is one that is waited for, too.
    let mut client = connect(&gateway).await;
    ask(&mut client).await;
    let closed = timeout(BY_THEN, client.read(&mut [0; 16])).await;
    assert_eq!(closed.expect("it is closed").unwrap(), 0);
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_their_turn() {
    let options = GatewayOptions::default()
        .set(("HOOKGATE_MAX_CONNECTIONS", "2"))
        .set(("HOOKGATE_HEADER_TIMEOUT", "60s"));
    let gateway = Gateway::start(options).await;
    let mut one = connect(&gateway).await;
    ask(&mut one).await;
    let mut other = connect(&gateway).await;
    ask(&mut other).await;

    let mut third = connect(&gateway).await;
    let answered = timeout(Duration::from_millis(500), ask(&mut third)).await;
    assert!(answered.is_err(), "there were two connections already");
    // The two that are open go on being served.
    ask(&mut one).await;
    ask(&mut other).await;
    drop(one);
    let mut answer = [0; 1024];
    let length = timeout(BY_THEN, third.read(&mut answer)).await;
    let length = length.expect("its turn has come").unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
}

/// A request, and its whole short answer.
async fn ask(client: &mut TcpStream) {
    client
        .write_all(b"GET /livez HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 1024];
    let length = client.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
}
