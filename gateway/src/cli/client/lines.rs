//! A request whose body and answer are streams of lines, both under way at once.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method, RequestBuilder, Response};
use serde_json::Value;

use super::{Client, ClientError};

/// A stream has no end of its own; this one stands in for "never".
pub(super) const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The lines of an answer that is still being written.
#[derive(Debug)]
pub(crate) struct AnswerLines<'a> {
    client: &'a Client,
    response: Response,
    read: Vec<u8>,
}

impl Client {
    /// Posts lines; they are read only as fast as the gateway takes them.
    ///
    /// # Errors
    /// Where the gateway is not there, or refuses before it has taken anything.
    pub(crate) async fn post_lines(
        &self,
        path: &str,
        idempotency_key: Option<&str>,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<AnswerLines<'_>, ClientError> {
        let mut request = self.request(Method::POST, path).timeout(NEVER);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(Body::wrap_stream(body));
        Ok(AnswerLines {
            client: self,
            response: self.opened(request).await?,
            read: Vec::new(),
        })
    }

    /// An answer whose body is yet to come.
    pub(super) async fn opened(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            let text = response.text().await;
            let text = text.map_err(|error| self.unreachable(&error))?;
            return Err(self.refusal(status.as_u16(), &text));
        }
        Ok(response)
    }
}

impl AnswerLines<'_> {
    /// The next line; None at the end.
    ///
    /// # Errors
    /// Where the line is a problem, or the connection broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return self.value(&line).map(Some);
            }
            let chunk = self.response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| self.client.unreachable(&error))? else {
                return Ok(None);
            };
            self.read.extend_from_slice(&chunk);
        }
    }

    fn value(&self, line: &[u8]) -> Result<Value, ClientError> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| self.client.not_hookgate(&error.to_string()))?;
        match value["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
        {
            Some(status) => Err(self.client.refusal(status, &value.to_string())),
            None => Ok(value),
        }
    }
}
