//! An answer without end whose pieces are server-sent events (`text/event-stream`).
//!
//! Reads what a gateway writes: fields, values, blank lines. Where it was is the caller's to keep.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Method, Response};

use super::lines::NEVER;
use super::{Client, ClientError};

/// A gateway says something at least every ten seconds; after this much silence the line is dead.
const MAX_SILENCE: Duration = Duration::from_secs(45);
/// An event's data in base64, and room around it.
const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// One server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Empty where it tells only where the reader is.
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
}

/// The frames of an answer that is still being written.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    client: &'a Client,
    response: Response,
    reading: Reading,
}

impl Client {
    /// # Errors
    /// Where the gateway is not there or refuses.
    pub(crate) async fn follow(
        &self,
        path: &str,
        last: Option<&str>,
    ) -> Result<Frames<'_>, ClientError> {
        let mut request = self.request(Method::GET, path).timeout(NEVER);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.header(ACCEPT, "text/event-stream");
        Ok(Frames {
            client: self,
            response: self.opened(request).await?,
            reading: Reading::default(),
        })
    }
}

impl Frames<'_> {
    /// Whether the next one has yet to come.
    pub(crate) fn is_drained(&self) -> bool {
        self.reading.frames.is_empty()
    }

    /// The next one; None at the end.
    ///
    /// # Errors
    /// Where the connection broke or says nothing any more.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, ClientError> {
        loop {
            if let Some(frame) = self.reading.frames.pop_front() {
                return Ok(Some(frame));
            }
            let chunk = tokio::time::timeout(MAX_SILENCE, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| self.client.not_hookgate("it fell silent"))?;
            let Some(chunk) = chunk.map_err(|error| self.client.unreachable(&error))? else {
                return Ok(None);
            };
            self.reading.take(&chunk);
            if self.reading.line.len() > MAX_FRAME_BYTES {
                return Err(self.client.not_hookgate("a line without end"));
            }
        }
    }
}

/// What was read and is no whole frame yet.
#[derive(Debug, Default)]
struct Reading {
    line: Vec<u8>,
    frame: Frame,
    frames: VecDeque<Frame>,
}

impl Reading {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                self.take_line(line.trim_end_matches(['\r', '\n']));
            }
        }
    }

    fn take_line(&mut self, line: &str) {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            if frame != Frame::default() {
                self.frames.push_back(frame);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.frame.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.frame.event),
            "data" if self.frame.data.is_empty() => value.clone_into(&mut self.frame.data),
            "data" => {
                self.frame.data.push('\n');
                self.frame.data.push_str(value);
            }
            // A comment, or what a later gateway adds.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_wherever_the_network_cuts_them() {
        let text = "id: a\n\n: comment\n\nid: b\r\nevent: event\r\ndata: {\"x\": 1,\r\ndata:  2}\r\n\r\nevent: gap\ndata:{}\nretry: 3\n\nid: c\n";
        let frame = |event: &str, data: &str, id: Option<&str>| Frame {
            event: event.to_owned(),
            data: data.to_owned(),
            id: id.map(str::to_owned),
        };
        let expected = [
            frame("", "", Some("a")),
            frame("event", "{\"x\": 1,\n 2}", Some("b")),
            frame("gap", "{}", None),
        ];
        for size in 1..text.len() {
            let mut reading = Reading::default();
            for piece in text.as_bytes().chunks(size) {
                reading.take(piece);
            }
            assert_eq!(reading.frames, expected, "pieces of {size}");
        }
    }
}
