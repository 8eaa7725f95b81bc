//! What requests bring, bounded before it is read: bodies, ids in paths, queries.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::Api;
use super::problem::{Kind, Problem};
use crate::ingest::room::{self, Share};

/// Longest time that the rest of a refused body is read.
const DISCARD_WITHIN: Duration = Duration::from_secs(5);
/// Largest body of an array of events.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// A body of at most `max_bytes`; one that says it is larger, or for which there is no room now, is
/// refused before a byte is read.
///
/// # Errors
/// 413, 415, 408, 417, 503, or 400 where the connection or its framing broke.
pub async fn read_body(request: Request, api: &Api, max_bytes: usize) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let share = parts.extensions.get::<Share>();
    if let Err(problem) = admit(&parts.headers, share, max_bytes).await {
        if !parts.headers.contains_key(EXPECT) {
            discard(body);
        }
        return Err(problem);
    }
    let limit = api.body_timeout();
    tokio::time::timeout(limit, collect(body, share, max_bytes))
        .await
        .unwrap_or_else(|_| {
            let detail = format!("the whole body must come within {} s", limit.as_secs());
            Err(Problem::new(Kind::BodyTimeout, detail))
        })
}

/// Judges a request by its head, and looks whether there is room for what it announces.
async fn admit(
    headers: &HeaderMap,
    share: Option<&Share>,
    max_bytes: usize,
) -> Result<(), Problem> {
    check_head(headers, max_bytes)?;
    let announced = announced_bytes(headers).unwrap_or(1);
    match (share, usize::try_from(announced)) {
        (Some(share), Ok(bytes)) => Ok(share.expect(bytes).await?),
        _ => Ok(()),
    }
}

/// `share` is none for what another part of this process asks: its bytes are counted already.
async fn collect(
    mut body: axum::body::Body,
    share: Option<&Share>,
    max_bytes: usize,
) -> Result<Bytes, Problem> {
    let (mut chunks, mut length) = (Vec::new(), 0);
    while let Some(chunk) = next_chunk(&mut body).await? {
        length += chunk.len();
        if length > max_bytes {
            discard(body);
            return Err(too_large(max_bytes));
        }
        if let Some(share) = share
            && let Err(full) = share.grow_to(length, room::PATIENCE).await
        {
            drop(chunks);
            discard(body);
            return Err(full.into());
        }
        chunks.push(chunk);
    }
    Ok(joined(chunks, length))
}

/// Most bodies are one chunk, which is then the body without being copied. Joined at the end only:
/// memory that was made ready for all that is announced is soon taken, if not by this request.
fn joined(mut chunks: Vec<Bytes>, length: usize) -> Bytes {
    if chunks.len() < 2 {
        return chunks.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(length);
    for chunk in chunks {
        whole.extend_from_slice(&chunk);
    }
    whole.freeze()
}

pub(super) async fn next_chunk(body: &mut axum::body::Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let detail = "the body broke off or is framed wrongly";
            Problem::new(Kind::InvalidRequest, detail)
        })?;
        if let Ok(chunk) = frame.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Reads on for a while after a refusal: a client that is still writing would see a broken
/// connection instead of the answer. Bounded in bytes and time, and by its connection.
pub(super) fn discard(mut body: axum::body::Body) {
    tokio::spawn(tokio::time::timeout(DISCARD_WITHIN, async move {
        let mut left_bytes = MAX_BATCH_BYTES;
        while let Ok(Some(chunk)) = next_chunk(&mut body).await {
            left_bytes = left_bytes.saturating_sub(chunk.len());
            if left_bytes == 0 {
                return;
            }
        }
    }));
}

pub(super) fn check_head(headers: &HeaderMap, max_bytes: usize) -> Result<(), Problem> {
    let expects = headers.get(EXPECT).map(|value| value.as_bytes());
    if expects.is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Problem::new(
            Kind::UnknownExpectation,
            "only `Expect: 100-continue` is understood",
        ));
    }
    for coding in headers.get_all(CONTENT_ENCODING) {
        if !coding.as_bytes().eq_ignore_ascii_case(b"identity") {
            let coding = String::from_utf8_lossy(coding.as_bytes());
            return Err(Problem::compressed(&coding));
        }
    }
    if announced_bytes(headers).is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large(max_bytes));
    }
    Ok(())
}

fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(
        Kind::BodyTooLarge,
        format!("at most {max_bytes} bytes are taken here"),
    )
}

/// A body within the limit for one event.
#[derive(Debug)]
pub struct Body(pub Bytes);

impl FromRequest<Api> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        read_body(request, api, api.max_body_bytes())
            .await
            .map(Self)
    }
}

/// A JSON body of a resource, read whole. An empty body is null.
#[derive(Debug)]
pub struct JsonBody(pub serde_json::Value);

impl FromRequest<Api> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let whole = JsonText::from_request(request, api).await?;
        Ok(Self(whole.value))
    }
}

/// The same beside its text, for what must keep every digit.
#[derive(Debug)]
pub struct JsonText {
    pub value: serde_json::Value,
    pub text: Bytes,
}

impl FromRequest<Api> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let media_type = request.headers().get(http::header::CONTENT_TYPE);
        let is_json =
            media_type.is_none_or(|value| value.to_str().is_ok_and(crate::domain::event::is_json));
        let text = read_body(request, api, api.max_body_bytes()).await?;
        if text.is_empty() {
            let value = serde_json::Value::Null;
            return Ok(Self { value, text });
        }
        if !is_json {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "send application/json",
            ));
        }
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Self { value, text }),
            Err(error) => Err(Problem::new(
                Kind::MalformedJson,
                format!("the body: {error}"),
            )),
        }
    }
}

/// An id in the path; one that cannot be read names nothing, hence 404.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<T: FromStr + Send> FromRequestParts<Api> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, api).await;
        text.ok()
            .and_then(|Path(text)| text.parse().ok())
            .map(Self)
            .ok_or_else(|| Problem::not_found("id"))
    }
}

/// The query, with unknown members left alone and broken ones named.
#[derive(Clone, Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|rejection| Problem::new(Kind::InvalidRequest, rejection.body_text()))
    }
}
