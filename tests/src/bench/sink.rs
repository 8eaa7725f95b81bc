//! The receivers: one port, a path for each, and a note of each number that arrives there.
//!
//! `/` and `/r/0` are the first receiver, `/r/7` is the eighth; `/hang` takes requests and never
//! answers. Whatever is no delivery of the benchmark is answered 400, and so never counts as arrived.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::net::{TcpListener, TcpStream};

use super::http::{Wire, find};
use super::ledger::Ledger;
use super::load::NUMBER_MEMBER;

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const NOT_OURS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// Where deliveries go, and how much came and went.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    traffic: Arc<AtomicU64>,
}

impl Sink {
    /// Bytes of all requests and answers so far.
    pub(super) fn bytes(&self) -> u64 {
        self.traffic.load(Relaxed)
    }

    pub(super) fn url(&self, receiver: u32) -> String {
        format!("http://{}/r/{receiver}", self.address)
    }

    pub(super) fn hanging_url(&self) -> String {
        format!("http://{}/hang", self.address)
    }
}

/// Starts it on a port of its own; it ends with the runtime.
pub(super) async fn start(ledger: Arc<Ledger>) -> io::Result<Sink> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let sink = Sink {
        address: listener.local_addr()?,
        traffic: Arc::default(),
    };
    let traffic = Arc::clone(&sink.traffic);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, Arc::clone(&ledger), Arc::clone(&traffic)));
        }
    });
    Ok(sink)
}

async fn receive(
    stream: TcpStream,
    ledger: Arc<Ledger>,
    traffic: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut wire = Wire::on(stream)?;
    while let Some(message) = wire.next().await? {
        let Some(receiver) = receiver(message.head) else {
            // Held open until the other end has had enough.
            while wire.next().await?.is_some() {}
            return Ok(());
        };
        let is_ours = number(message.body).is_some_and(|number| ledger.arrived(number, receiver));
        let answer = if is_ours { ACCEPTED } else { NOT_OURS };
        let bytes = message.head.len() + message.body.len() + answer.len();
        traffic.fetch_add(bytes as u64, Relaxed);
        wire.write(answer).await?;
    }
    Ok(())
}

/// None: whoever never answers.
fn receiver(head: &[u8]) -> Option<u32> {
    let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match path.strip_prefix(b"/r/") {
        Some(digits) => u32::try_from(decimal(digits)).ok(),
        None => (path != b"/hang").then_some(0),
    }
}

fn number(body: &[u8]) -> Option<u64> {
    let from = find(body, NUMBER_MEMBER)? + NUMBER_MEMBER.len();
    Some(decimal(&body[from..]))
}

/// The number that the text begins with.
fn decimal(text: &[u8]) -> u64 {
    let digits = text
        .trim_ascii_start()
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_u64, |number, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'))
    })
}
