//! Receivers that mean harm, byte by byte: each is bounded in time and in memory, and costs nobody
//! else anything.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::tests::{open, post, sender};
use super::*;

/// What a hostile receiver says, again and again.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// Header fields without end.
    EndlessHeaders,
    /// One field that never ends.
    HugeHeader,
    /// More fields than anybody needs, and then an end.
    ManyHeaders,
    /// A byte of the head every few milliseconds.
    SlowHead,
    /// A byte of the body every few milliseconds.
    SlowBody,
    /// 100 and 103 for ever.
    InterimFlood,
    /// A status line without end.
    EndlessStatus,
    /// A chunk's size line without end.
    EndlessChunkSize,
    /// Chunks without end.
    EndlessChunks,
    /// Chunk extensions without end.
    EndlessChunkExtension,
    /// Trailers without end.
    EndlessTrailers,
    /// 10 MB of zeros, said to be compressed.
    Bomb,
    /// More body than it said.
    TrailingGarbage,
    /// Less body than it said.
    EarlyClose,
    /// Two lengths that differ.
    TwoLengths,
    /// Gone in the middle of the head.
    Reset,
    /// Hangs up before it says anything.
    Silence,
}

const ALL: [Harm; 17] = [
    Harm::EndlessHeaders,
    Harm::HugeHeader,
    Harm::ManyHeaders,
    Harm::SlowHead,
    Harm::SlowBody,
    Harm::InterimFlood,
    Harm::EndlessStatus,
    Harm::EndlessChunkSize,
    Harm::EndlessChunks,
    Harm::EndlessChunkExtension,
    Harm::EndlessTrailers,
    Harm::Bomb,
    Harm::TrailingGarbage,
    Harm::EarlyClose,
    Harm::TwoLengths,
    Harm::Reset,
    Harm::Silence,
];

impl Harm {
    /// What is said once, and what is said until the other side hangs up.
    fn script(self) -> (&'static [u8], &'static [u8]) {
        const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        const FILLER: &[u8] = &[b'x'; 16 * 1024];
        match self {
            Self::EndlessHeaders => (b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
            Self::HugeHeader => (b"HTTP/1.1 200 OK\r\nx-a: ", FILLER),
            Self::ManyHeaders => (b"", b""),
            Self::SlowHead => (b"HTTP/1.1 200 OK\r\nx-a: ", b"x"),
            Self::SlowBody => (b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", b"x"),
            Self::InterimFlood => (
                b"",
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
            ),
            Self::EndlessStatus => (b"HTTP/1.1 200 ", FILLER),
            Self::EndlessChunkSize => (CHUNKED, b"0000000000000000"),
            Self::EndlessChunks => (CHUNKED, b"4\r\nabcd\r\n"),
            Self::EndlessChunkExtension => ([CHUNKED, b"1;"].concat().leak(), FILLER),
            Self::EndlessTrailers => ([CHUNKED, b"0\r\n"].concat().leak(), b"x-a: b\r\n"),
            Self::Bomb => (
                b"HTTP/1.1 500 Oops\r\ncontent-encoding: gzip\r\ncontent-length: 10000000\r\n\r\n",
                &[0; 16 * 1024],
            ),
            Self::TrailingGarbage => (
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 Forged\r\n\r\n",
                b"",
            ),
            Self::EarlyClose => (b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf", b""),
            Self::TwoLengths => (
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
                b"",
            ),
            Self::Reset => (b"HTTP/1.1 2", b""),
            Self::Silence => (b"", b""),
        }
    }

    fn is_slow(self) -> bool {
        matches!(self, Self::SlowHead | Self::SlowBody)
    }

    /// What an attempt comes to.
    fn outcomes(self) -> &'static [Outcome] {
        match self {
            // Whatever follows a whole answer is nobody's.
            Self::TrailingGarbage => &[Outcome::Accepted],
            // Bounded by what is read of an answer; a 2xx is a 2xx.
            Self::EndlessChunks => &[Outcome::Accepted],
            Self::Bomb => &[Outcome::Refused],
            Self::SlowHead | Self::SlowBody => &[Outcome::TimedOut],
            _ => &[Outcome::Unreachable],
        }
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let (once, then) = self.script();
        if matches!(self, Self::ManyHeaders) {
            let fields: String = (0..500).map(|n| format!("x-{n}: v\r\n")).collect();
            let text = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        let _ = stream.write_all(once).await;
        if matches!(self, Self::Reset) {
            let _ = stream.set_zero_linger();
            return;
        }
        while !then.is_empty() && stream.write_all(then).await.is_ok() {
            if self.is_slow() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn hostile(harm: Harm) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(harm.serve(stream));
        }
    });
    port
}

async fn attempt(sender: Arc<Sender>, harm: Harm) {
    let port = hostile(harm).await;
    let begun = Instant::now();
    // What never comes is ended by the clock, what never ends by its size, long before.
    let limit_ms = if harm.is_slow() { 1_000 } else { 60_000 };
    let sent = post(&sender, &format!("http://receiver.test:{port}/"), limit_ms).await;
    let took = begun.elapsed();
    assert!(
        harm.outcomes().contains(&sent.outcome),
        "{harm:?} came to {sent:?}"
    );
    assert!(took < Duration::from_secs(30), "{harm:?} took {took:?}");
    let kept = sent.excerpt.map_or(0, |text| text.len());
    assert!(kept <= 4096 && sent.answer.is_empty(), "{harm:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_receiver_is_bounded_in_time() {
    let (sender, _) = sender(open(), &["127.0.0.1"]);
    let sender = Arc::new(sender);
    let tasks = ALL.map(|harm| tokio::spawn(attempt(sender.clone(), harm)));
    for task in tasks {
        task.await.unwrap();
    }
}

/// Nothing that a receiver says after its answer is taken for the answer of the next request.
#[tokio::test]
async fn what_follows_an_answer_belongs_to_nobody() {
    let port = hostile(Harm::TrailingGarbage).await;
    let (sender, _) = sender(open(), &["127.0.0.1"]);
    for _ in 0..5 {
        let sent = post(&sender, &format!("http://receiver.test:{port}/"), 5_000).await;
        assert_eq!((sent.outcome, sent.status), (Outcome::Accepted, Some(200)));
    }
}

/// Keeps what was written, so that one request is seen to be one.
#[tokio::test]
async fn one_request_goes_over_the_wire_with_one_host_and_one_length() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"{}") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut seen).await.unwrap();
        Bytes::from(seen)
    });
    let (sender, _) = sender(open(), &["127.0.0.1"]);
    let target = format!("http://receiver.test:{port}/a%20b?c=d&e=%0d%0ax:%20y");
    let sent = post(&sender, &target, 10_000).await;
    assert_eq!(sent.status, Some(204));
    drop(sender);
    let seen = seen.await.unwrap();
    let text = std::str::from_utf8(&seen).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /a%20b?c=d&e=%0d%0ax:%20y HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: receiver.test:{port}");
    assert_eq!(lines, ["content-length: 2", host.as_str()]);
    assert_eq!(body, "{}");
}
