//! More than there is room for is refused at once and costs nobody else anything: bodies that are
//! large, many, announced and never sent, compressed, or whose answers nobody takes.

use std::time::{Duration, Instant};

use hookgate_tests::bench::{forget_peak, open_files, peak_bytes, resident_bytes};
use hookgate_tests::gateway::ADMIN_KEY;
use hookgate_tests::{Gateway, GatewayOptions, event, figures, tool, wait};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const MIB: usize = 1 << 20;
/// The least that can be set.
const ROOM: &str = "32MiB";
const BY_THEN: Duration = Duration::from_secs(20);

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.address()).await.unwrap()
}

fn head(path: &str, length: usize, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {ADMIN_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n"
    )
}

async fn held_bytes(gateway: &Gateway) -> usize {
    let metrics = gateway.api().get("/metrics").await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("hookgate_http_held_bytes "));
    line.unwrap().parse::<f64>().unwrap() as usize
}

/// The first bytes of an answer.
async fn answer(client: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = timeout(BY_THEN, client.read(&mut answer)).await;
    let length = read.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn what_finds_no_room_is_refused_before_it_is_read() {
    let gateway =
        Gateway::start(GatewayOptions::default().set(("HOOKGATE_MAX_HELD_BYTES", ROOM))).await;
    let mut holders = Vec::new();
    for _ in 0..2 {
        let mut client = connect(&gateway).await;
        let head = head("/v1/events/batch", 16 * MIB, "");
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b' '; 16 * MIB - 1]).await.unwrap();
        holders.push(client);
    }
    wait::until("the room is taken", || async {
        (held_bytes(&gateway).await == 2 * (16 * MIB - 1)).then_some(())
    })
    .await;

    // Not a byte of the body is sent, and the answer is there.
    let mut client = connect(&gateway).await;
    let begun = Instant::now();
    let asks = head("/v1/events", MIB, "expect: 100-continue\r\n");
    client.write_all(asks.as_bytes()).await.unwrap();
    let refused = answer(&mut client).await;
    let took = begun.elapsed();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("problems/overloaded"), "{refused}");
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let sent = gateway
        .api()
        .post("/v1/events", &json!({"type": "a.b", "data": 1}))
        .await;
    assert_eq!(sent.status, 503, "{}", sent.text());
    assert_eq!(gateway.api().get("/livez").await.status, 200);

    // One of them ends its body; the other one goes away.
    let mut first = holders.remove(0);
    first.write_all(b"x").await.unwrap();
    let judged = answer(&mut first).await;
    assert!(judged.starts_with("HTTP/1.1 400 "), "{judged}");
    drop(holders);
    wait::until("there is room again", || async {
        (held_bytes(&gateway).await == 0).then_some(())
    })
    .await;
    gateway.send(event("a.b")).await;
}

#[tokio::test]
async fn what_is_only_announced_keeps_nobody_out() {
    let gateway =
        Gateway::start(GatewayOptions::default().set(("HOOKGATE_MAX_HELD_BYTES", ROOM))).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        let mut client = connect(&gateway).await;
        let head = head("/v1/events", MIB, "");
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(b"{").await.unwrap();
        silent.push(client);
    }
    wait::until("all have begun", || async {
        (held_bytes(&gateway).await == 64).then_some(())
    })
    .await;
    let body = format!(r#"{{"type":"a.b","data":"{}"}}"#, "x".repeat(MIB / 2));
    let api = gateway.api();
    let sent = api.post_bytes("/v1/events", "application/json", body).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
}

/// Far more at once than there is room for, as fast as they can be sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overload_gets_2xx_or_503_and_little_memory_and_passes() {
    const REQUESTS: usize = 400;
    let gateway = Gateway::fresh().await;
    let pid = gateway.pid().unwrap();
    for _ in 0..20 {
        gateway.send(event("warm.up")).await;
    }
    let before = resident_bytes(pid).unwrap();
    forget_peak(pid).unwrap();
    let body = format!(r#"{{"type":"a.b","data":"{}"}}"#, "x".repeat(MIB - 64));
    let body = bytes::Bytes::from(body);
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let (api, body) = (gateway.api().clone(), body.clone());
        requests.spawn(async move { api.post_bytes("/v1/events", "application/json", body).await });
    }
    let (mut taken, mut refused) = (0, 0);
    while let Some(answer) = requests.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            202 => taken += 1,
            429 | 503 => {
                assert!(
                    answer.headers.contains_key("retry-after"),
                    "{}",
                    answer.text()
                );
                refused += 1;
            }
            _ => panic!("{}", answer.text()),
        }
    }
    let begun = Instant::now();
    gateway.send(event("a.b")).await;
    let calm_after = begun.elapsed();
    let grown_mib = peak_bytes(pid).unwrap().saturating_sub(before) / MIB as u64;
    assert!(taken > 0, "none was taken");
    assert!(calm_after < Duration::from_secs(5), "{calm_after:?}");
    assert!(grown_mib <= 200, "{grown_mib} MiB more");
    figures::record(
        "I1",
        format!(
            "{REQUESTS} events of 1 MiB at once: {taken} answered 202, {refused} answered 429 or 503 with Retry-After, \
             0 hung; at most {grown_mib} MiB more memory; the next one took {} ms",
            calm_after.as_millis()
        ),
    );
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_its_head() {
    let gateway = Gateway::fresh().await;
    let source = json!({"name": "shop", "verify": {"kind": "github"}});
    let source = gateway.api().post("/v1/sources", &source).await;
    let source = source.expect(201);
    let url = source["url"].as_str().unwrap();
    let inbound = url.split_once("/in/").unwrap().1;
    let mut longest = Duration::ZERO;
    for (path, coding) in [
        ("/v1/events".to_owned(), "gzip"),
        ("/v1/events".to_owned(), "identity, br"),
        ("/v1/events/batch".to_owned(), "zstd"),
        (format!("/in/{inbound}"), "deflate"),
    ] {
        let mut client = connect(&gateway).await;
        let begun = Instant::now();
        let asks = head(&path, MIB, &format!("content-encoding: {coding}\r\n"));
        client.write_all(asks.as_bytes()).await.unwrap();
        let refused = answer(&mut client).await;
        longest = longest.max(begun.elapsed());
        assert!(refused.starts_with("HTTP/1.1 415 "), "{path}: {refused}");
        assert!(refused.contains("accept-encoding: identity"), "{refused}");
        assert!(refused.contains(coding), "{refused}");
    }
    let plain = gateway
        .api()
        .request(reqwest::Method::POST, "/v1/events")
        .header("content-type", "application/json")
        .header("content-encoding", "identity")
        .body(r#"{"type":"a.b","data":1}"#);
    assert_eq!(gateway.api().send(plain).await.status, 202);
    figures::record(
        "I8",
        format!(
            "415 before a byte of the body is read, within {} ms; nothing is decompressed",
            longest.as_millis()
        ),
    );
}

#[tokio::test]
async fn who_does_not_take_an_answer_is_hung_up_on() {
    let options = GatewayOptions::default().set(("HOOKGATE_BODY_TIMEOUT", "1s"));
    let gateway = Gateway::start(options).await;
    let mut client = connect(&gateway).await;
    let begun = Instant::now();
    let asking = async {
        // As long as the answers find room in the sockets, more is asked for.
        let asks = b"GET /openapi.json HTTP/1.1\r\nhost: gateway\r\n\r\n".repeat(64);
        loop {
            if client.write_all(&asks).await.is_err() {
                return;
            }
        }
    };
    timeout(BY_THEN, asking).await.expect("it is hung up on");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

/// Half of them silent, half sending a byte of a head now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_slow_clients_are_cheap_and_gone_in_time() {
    const LIMIT: Duration = Duration::from_secs(5);
    let wanted = if std::env::var_os("HOOKGATE_FULL").is_some() {
        9_000
    } else {
        2_000
    };
    let count = wanted.min(max_open_files() - 200);
    if count < wanted {
        tool::left_out(&format!(
            "{count} slow clients in place of {wanted}: `ulimit -n`"
        ));
    }
    let options = GatewayOptions::default()
        .set(("HOOKGATE_HEADER_TIMEOUT", "5s"))
        .set(("HOOKGATE_MAX_CONNECTIONS", "10000"));
    let gateway = Gateway::start(options).await;
    let pid = gateway.pid().unwrap();
    let calm = slowest_of(&gateway, 50).await;
    let (before, files) = (resident_bytes(pid).unwrap(), open_files(pid).unwrap());
    forget_peak(pid).unwrap();

    let begun = Instant::now();
    let mut slow = JoinSet::new();
    for number in 0..count {
        let mut client = connect(&gateway).await;
        slow.spawn(async move {
            if number % 2 == 0 {
                let _ = client.write_all(b"G").await;
            }
            let connected = Instant::now();
            let closed = timeout(BY_THEN * 3, client.read(&mut [0; 512])).await;
            // Whatever it says on the way, it closes.
            assert!(closed.is_ok(), "still connected");
            connected.elapsed()
        });
    }
    let connected = begun.elapsed();
    let beside = slowest_of(&gateway, 50).await;
    let mut longest = Duration::ZERO;
    while let Some(held) = slow.join_next().await {
        longest = longest.max(held.unwrap());
    }
    let grown_kib = peak_bytes(pid).unwrap().saturating_sub(before) / 1024;
    // A busy machine accepts late, and the clock runs from there.
    let latest = LIMIT + connected + Duration::from_secs(3);
    assert!(longest <= latest, "{longest:?} > {latest:?}");
    let bound_kib = 50 * 1024 * u64::try_from(count).unwrap() / 2000;
    assert!(grown_kib <= bound_kib, "{grown_kib} KiB for {count}");
    assert!(beside < LIMIT, "{beside:?} beside them, {calm:?} without");
    wait::until("their sockets are gone", || async {
        (open_files(pid).unwrap() <= files + 8).then_some(())
    })
    .await;
    figures::record(
        "I4",
        format!(
            "{count} connections, half silent, half in the middle of a head: all closed {:.1} s after they connected at the \
             latest (limit 5 s), {} MiB more memory; slowest of 50 events {} ms beside them, {} ms without",
            longest.as_secs_f64(),
            grown_kib / 1024,
            beside.as_millis(),
            calm.as_millis()
        ),
    );
}

/// The soft limit of this process, and of those that it starts.
fn max_open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

async fn slowest_of(gateway: &Gateway, count: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..count {
        let begun = Instant::now();
        gateway.send(event("a.b")).await;
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}
