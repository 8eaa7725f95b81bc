//! Streams of lines: stored as they come, answered as they are stored, no faster than both.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hookgate_tests::cli::Cli;
use hookgate_tests::{Gateway, Receiver};
use reqwest::{Body, Method, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::log_node::count;

fn line(number: usize) -> String {
    format!("{{\"type\":\"row.added\",\"data\":{number}}}\n")
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(line).collect()
}

/// A request whose body is written while its answer is read.
struct Exchange {
    body: Option<mpsc::Sender<Bytes>>,
    answer: tokio::task::JoinHandle<Response>,
}

impl Exchange {
    fn begin(gateway: &Gateway, headers: &[(&str, &str)]) -> Self {
        let (body, pieces) = mpsc::channel::<Bytes>(1);
        let pieces = futures_util::stream::unfold(pieces, async |mut pieces| {
            let piece = pieces.recv().await?;
            Some((Ok::<_, std::io::Error>(piece), pieces))
        });
        let mut request = gateway
            .api()
            .request(Method::POST, "/v1/events/batch")
            .header("content-type", "application/x-ndjson")
            .body(Body::wrap_stream(pieces));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = tokio::spawn(async move { request.send().await.unwrap() });
        Self {
            body: Some(body),
            answer,
        }
    }

    async fn write(&self, text: impl Into<Bytes>) {
        let body = self.body.as_ref().unwrap();
        body.send(text.into()).await.unwrap();
    }
}

/// The next line of an answer.
async fn next(response: &mut Response, read: &mut Vec<u8>) -> Option<Value> {
    loop {
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = read.drain(..=end).collect();
            return Some(serde_json::from_slice(&line).unwrap());
        }
        read.extend_from_slice(&response.chunk().await.unwrap()?);
    }
}

async fn stored(gateway: &Gateway) -> i64 {
    let pool = gateway.database().pool().await;
    count(&pool, "select count(*) from event").await
}

#[tokio::test]
async fn lines_are_stored_while_more_are_written_and_the_answer_says_how_far() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("row.*", &receiver).await;
    let mut exchange = Exchange::begin(&gateway, &[]);
    // Cut in the middle of a line.
    let text = lines(0..3);
    exchange.write(text[..text.len() - 9].to_owned()).await;

    let mut read = Vec::new();
    let mut answer = (&mut exchange.answer).await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let first = next(&mut answer, &mut read).await.unwrap();
    assert_eq!(first, json!({"committed_lines": 2, "duplicates": 0}));
    assert_eq!(stored(&gateway).await, 2, "on disk before it is said");
    receiver.verified(2).await;

    exchange.write(text[text.len() - 9..].to_owned()).await;
    let second = next(&mut answer, &mut read).await.unwrap();
    assert_eq!(second["committed_lines"], 3);
    // No line feed at the end, an empty line before it.
    exchange.write(format!("\r\n{}", line(3).trim_end())).await;
    exchange.body = None;
    let mut last = Value::Null;
    while let Some(line) = next(&mut answer, &mut read).await {
        last = line;
    }
    assert_eq!(last["committed_lines"], 5, "empty lines are counted");
    let mut data: Vec<String> = receiver
        .verified(4)
        .await
        .iter()
        .map(|one| one.data())
        .collect();
    data.sort();
    assert_eq!(data, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn a_bad_line_is_named_and_stops_the_stream_behind_what_is_stored() {
    let gateway = Gateway::fresh().await;
    let mut exchange = Exchange::begin(&gateway, &[]);
    exchange.write(lines(0..2)).await;
    let mut read = Vec::new();
    let mut answer = (&mut exchange.answer).await.unwrap();
    let first = next(&mut answer, &mut read).await.unwrap();
    assert_eq!(first["committed_lines"], 2);
    exchange
        .write(format!("{}{{\"type\":7}}\n{}", line(2), line(3)))
        .await;

    let problem = next(&mut answer, &mut read).await.unwrap();
    assert_eq!(
        problem["type"],
        "https://hookgate.dev/problems/invalid-event"
    );
    assert_eq!(
        (&problem["status"], &problem["line"]),
        (&json!(400), &json!(4))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("line 4: /type must be a string"),
        "{detail}"
    );
    assert_eq!(next(&mut answer, &mut read).await, None);
    assert_eq!(
        stored(&gateway).await,
        2,
        "a chunk is stored whole or not at all"
    );

    // Before anything is stored it is a plain problem with its own status.
    let api = gateway.api();
    let own = "{\"type\":\"hookgate.x\",\"data\":1}\n";
    for (body, status, line) in [
        ("nonsense\n".to_owned(), 400, 1),
        (format!("{}\n{own}", lines(0..2)), 400, 4),
        (
            format!(
                "{}{{\"type\":\"a\",\"data\":\"{}",
                line(0),
                "x".repeat(1 << 21)
            ),
            413,
            2,
        ),
    ] {
        let refused = api
            .post_bytes("/v1/events/batch", "application/x-ndjson", body)
            .await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        assert_eq!(refused.json()["line"], line);
    }
    let none = api
        .post_bytes("/v1/events/batch", "application/x-ndjson", "")
        .await;
    assert_eq!(none.status, 202);
    assert_eq!(none.json(), json!({"committed_lines": 0, "duplicates": 0}));
    assert_eq!(stored(&gateway).await, 2);
}

#[tokio::test]
async fn the_same_stream_with_the_same_key_stores_each_line_once_however_it_is_cut() {
    let gateway = Gateway::fresh().await;
    let send = async |text: String| {
        let request = gateway
            .api()
            .request(Method::POST, "/v1/events/batch")
            .header("content-type", "application/x-ndjson; charset=utf-8")
            .header("idempotency-key", "import-1")
            .body(text);
        let answer = gateway.api().send(request).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let last = answer
            .text()
            .trim_end()
            .rsplit('\n')
            .next()
            .unwrap()
            .to_owned();
        serde_json::from_str::<Value>(&last).unwrap()
    };
    let broken_off = send(format!("\n{}", lines(0..1500))).await;
    assert_eq!(
        broken_off,
        json!({"committed_lines": 1501, "duplicates": 0})
    );
    // Chunks begin elsewhere now: there is no empty line before them.
    let again = send(lines(0..2500)).await;
    assert_eq!(again, json!({"committed_lines": 2500, "duplicates": 1500}));
    assert_eq!(stored(&gateway).await, 2500);
}

#[tokio::test]
async fn a_stream_is_read_no_faster_than_it_may_be_stored() {
    const TOTAL: usize = 64 << 20;
    let gateway = Gateway::fresh().await;
    let form = json!({"quota": {"bytes_per_second": 500_000}});
    let api = gateway.api();
    api.put("/v1/tenants/slow", &form).await.expect(200);
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let wide = format!(
        "{{\"type\":\"a.b\",\"tenant\":\"slow\",\"data\":\"{}\"}}\n",
        "x".repeat(100_000)
    );
    let wide = Bytes::from(wide);
    let endless = futures_util::stream::unfold((), move |()| {
        let (count, wide) = (Arc::clone(&count), wide.clone());
        async move {
            let so_far = count.fetch_add(wide.len(), Ordering::SeqCst);
            (so_far < TOTAL).then_some((Ok::<_, std::io::Error>(wide), ()))
        }
    });
    let request = api
        .request(Method::POST, "/v1/events/batch")
        .header("content-type", "application/x-ndjson")
        .body(Body::wrap_stream(endless));
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    // What is over the quota waits and is not refused. While the second chunk waits for its turn
    // the sender waits too.
    let mut read = Vec::new();
    let mut before = 0;
    for _ in 0..3 {
        let line = next(&mut answer, &mut read).await.unwrap();
        let lines = line["committed_lines"].as_u64().unwrap();
        assert!(lines > before, "{line}");
        before = lines;
    }
    let written = written.load(Ordering::SeqCst);
    assert!(
        written < TOTAL / 2,
        "{written} bytes were read for {before} lines"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_sends_files_and_pipes_and_says_where_it_stopped() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    cli.write("events.ndjson", lines(0..1200));
    let file = [
        "send",
        "--ndjson",
        "events.ndjson",
        "--idempotency-key",
        "k",
    ];
    let sent = cli.run(&file).await.good();
    assert!(sent.starts_with("1200 lines stored in "), "{sent}");
    let again = cli.run(&[&file[..], &["--json"]].concat()).await.good();
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again, json!({"committed_lines": 1200, "duplicates": 1200}));

    let mut command = cli.command(
        &cli.path("."),
        &["send", "--ndjson", "-", "--tenant", "acme"],
    );
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut piped = command.spawn().unwrap();
    let mut input = piped.stdin.take().unwrap();
    input.write_all(lines(0..3).as_bytes()).await.unwrap();
    hookgate_tests::wait::until("what came through the pipe is stored", || async {
        (stored(&gateway).await == 1203).then_some(())
    })
    .await;
    input.write_all(b"{\"type\":\"a.b\"}\n").await.unwrap();
    drop(input);
    let output = piped.wait_with_output().await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{err}");
    for part in ["3 lines are stored", "from line 4", "/data is missing"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let listed = gateway
        .api()
        .get("/v1/events?tenant=acme")
        .await
        .expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);

    let both = cli.run(&["send", "a.b", "--ndjson", "-"]).await.refused();
    assert!(both.contains("cannot be used with"), "{both}");
    let neither = cli.run(&["send"]).await.refused();
    assert!(neither.contains("TYPE"), "{neither}");
}
