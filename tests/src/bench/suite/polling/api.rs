//! An API that is polled, as cheap as one can be: a mailbox for each client, in memory.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use super::super::super::http::{Wire, find};
use super::CLIENTS;

/// Size of an event in an answer.
const EVENT_BYTES: usize = super::super::super::load::DATA_BYTES;

#[derive(Clone, Debug)]
pub(super) struct Api {
    address: SocketAddr,
    mailboxes: Arc<Vec<Mutex<Vec<u64>>>>,
}

impl Api {
    /// It ends with the runtime.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mailboxes = (0..CLIENTS).map(|_| Mutex::default()).collect();
        let api = Self {
            address: listener.local_addr()?,
            mailboxes: Arc::new(mailboxes),
        };
        let served = api.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        Ok(api)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An event for one of the clients.
    pub(super) async fn publish(&self, number: u64) -> anyhow::Result<()> {
        let client = usize::try_from(number % u64::from(CLIENTS))?;
        self.mailboxes[client].lock().push(number);
        Ok(())
    }

    async fn serve(self, stream: TcpStream) -> anyhow::Result<()> {
        let mut wire = Wire::on(stream)?;
        while let Some(message) = wire.next().await? {
            let found = client(message.head)
                .and_then(|client| self.mailboxes.get(client))
                .map(|mailbox| std::mem::take(&mut *mailbox.lock()))
                .unwrap_or_default();
            wire.write(&answer(&found)).await?;
        }
        Ok(())
    }
}

fn client(head: &[u8]) -> Option<usize> {
    let from = find(head, b"/poll/")? + b"/poll/".len();
    let digits = head[from..].split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn answer(found: &[u64]) -> Vec<u8> {
    let pad = "x".repeat(EVENT_BYTES);
    let events: Vec<String> = found
        .iter()
        .map(|number| format!(r#"{{"event":{number},"pad":"{pad}"}}"#))
        .collect();
    let body = format!(r#"{{"data":[{}]}}"#, events.join(","));
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
