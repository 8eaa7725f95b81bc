//! The receiver: notes each number that arrives and answers 200 with nothing.
//!
//! Whatever is no delivery of the benchmark is answered 400, and so never counts as arrived.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use super::http::{Wire, find};
use super::ledger::{FIRST_NUMBER, Ledger};
use super::load::NUMBER_MEMBER;

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const NOT_OURS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// Starts it on a port of its own; it ends with the runtime.
pub(super) async fn start(ledger: Arc<Ledger>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, Arc::clone(&ledger)));
        }
    });
    Ok(address)
}

async fn receive(stream: TcpStream, ledger: Arc<Ledger>) -> io::Result<()> {
    let mut wire = Wire::on(stream)?;
    while let Some(message) = wire.next().await? {
        let number = number(message.body)
            .filter(|known| (FIRST_NUMBER..ledger.next_number()).contains(known));
        if let Some(number) = number {
            ledger.arrived(number);
        }
        let answer = if number.is_some() { ACCEPTED } else { NOT_OURS };
        wire.write(answer).await?;
    }
    Ok(())
}

fn number(body: &[u8]) -> Option<u64> {
    let from = find(body, NUMBER_MEMBER)? + NUMBER_MEMBER.len();
    let digits = body[from..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0_u64, |number, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'))
    }))
}
