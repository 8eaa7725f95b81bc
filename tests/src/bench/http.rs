//! As little HTTP/1.1 as both ends of the benchmark need: messages with a `content-length`, one
//! after the other on a connection that stays open.
//!
//! The load is to cost little beside what is measured, so nothing is parsed that is not used.
//! Chunked bodies are refused.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BUFFER_BYTES: usize = 16 * 1024;
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const CONTENT_LENGTH: &[u8] = b"content-length:";

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that the message handed out last takes up.
    taken_bytes: usize,
}

/// A request or a response.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) head: &'a [u8],
    pub(super) body: &'a [u8],
}

impl Wire {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        Self::on(TcpStream::connect(address).await?)
    }

    pub(super) fn on(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            taken_bytes: 0,
        })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends a request and hands over the status of its answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.write(request).await?;
        let answer = self.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        status(answer.head).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The next message; none where the other end is done.
    pub(super) async fn next(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.drain(..self.taken_bytes);
        self.taken_bytes = 0;
        let (head_bytes, all_bytes) = loop {
            if let Some(sizes) = sizes(&self.buffer)? {
                break sizes;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        };
        self.taken_bytes = all_bytes;
        Ok(Some(Message {
            head: &self.buffer[..head_bytes],
            body: &self.buffer[head_bytes..all_bytes],
        }))
    }
}

/// Sizes of the first message's head, and of all of it; none until it is complete.
fn sizes(buffer: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(at) = find(buffer, END_OF_HEAD) else {
        return Ok(None);
    };
    let head_bytes = at + END_OF_HEAD.len();
    let head = &buffer[..head_bytes];
    let all_bytes = content_length(head)
        .or_else(|| head.starts_with(b"GET ").then_some(0))
        .map(|body_bytes| head_bytes.saturating_add(body_bytes))
        .filter(|all_bytes| *all_bytes <= MAX_MESSAGE_BYTES)
        .ok_or_else(|| io::Error::other("a message without content-length, or too long"))?;
    Ok((buffer.len() >= all_bytes).then_some((head_bytes, all_bytes)))
}

fn content_length(head: &[u8]) -> Option<usize> {
    let line = head.split(|byte| *byte == b'\n').find(|line| {
        line.get(..CONTENT_LENGTH.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(CONTENT_LENGTH))
    })?;
    let value = std::str::from_utf8(&line[CONTENT_LENGTH.len()..]).ok()?;
    value.trim().parse().ok()
}

fn status(head: &[u8]) -> Option<u16> {
    let digits = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where `needle` begins in `hay`.
pub(super) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|byte| *byte == first) {
        if hay[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}
