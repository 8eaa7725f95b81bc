//! Lines at `POST /v1/events/batch`: a stream without end, stored a chunk at a time.
//!
//! The body is read only as fast as it is committed, so a stream takes no more memory than one
//! chunk however long it is, and a full log or a tenant's quota slows its sender down instead of
//! refusing it. The answer begins with the first commit; what goes wrong before that is a plain
//! problem, what goes wrong later its last line.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::input::{check_head, discard, next_chunk};
use super::problem::{Kind, Problem};
use crate::ingest::accept::{AcceptError, Accepted, Sender};
use crate::ingest::lines::{BadLine, Chunk, Lines};
use crate::ingest::room::{Full, Share};
use crate::log::AppendError;

const MEDIA_TYPE: &str = "application/x-ndjson";
/// How long whole lines wait for more before they are stored.
const LINGER: Duration = Duration::from_millis(20);
/// How long a stream may say nothing; an empty line keeps it open.
const MAX_SILENCE: Duration = Duration::from_secs(300);
/// Longest wait for room: a stream can be slowed down where a request is refused.
const ROOM_WITHIN: Duration = Duration::from_secs(5);
/// Wait before a full log is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait before a tenant's quota is asked again.
const MAX_QUOTA_PAUSE: Duration = Duration::from_secs(5);

/// How far a stream is: a line of the answer.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Committed {
    /// Every line up to this one is on disk; counted from one, empty lines included.
    committed_lines: u64,
    /// How many of them held events that were there already.
    duplicates: u64,
}

pub(super) fn is_lines(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| {
        let essence = essence.trim();
        essence.eq_ignore_ascii_case(MEDIA_TYPE)
            || essence.eq_ignore_ascii_case("application/jsonl")
    })
}

/// Stores the lines of a body, and answers as it goes.
pub(super) async fn publish(
    api: Api,
    sender: Sender,
    request: Request,
) -> Result<Response, Problem> {
    check_head(request.headers(), usize::MAX)?;
    let mut stream = Stream {
        lines: Lines::new(api.max_body_bytes()),
        share: request.extensions().get::<Share>().cloned(),
        api,
        sender,
        body: Some(request.into_body()),
        committed: Committed::default(),
        is_over: false,
    };
    // Nothing is promised yet, so this may still fail with a status of its own.
    let first = stream.answer_line().await?;
    let lines = futures_util::stream::unfold(Some((Some(first), stream)), next_line);
    let headers = [(CONTENT_TYPE, MEDIA_TYPE)];
    Ok((StatusCode::ACCEPTED, headers, Body::from_stream(lines)).into_response())
}

type State = Option<(Option<Bytes>, Stream)>;

async fn next_line(state: State) -> Option<(Result<Bytes, Infallible>, State)> {
    let (ready, mut stream) = state?;
    if let Some(line) = ready {
        return Some((Ok(line), Some((None, stream))));
    }
    if stream.is_over {
        return None;
    }
    match stream.answer_line().await {
        Ok(line) => Some((Ok(line), Some((None, stream)))),
        Err(problem) => Some((Ok(written(&problem.into_body())), None)),
    }
}

fn written(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).expect("an answer is plain data");
    text.push(b'\n');
    text.into()
}

/// One request under way.
struct Stream {
    api: Api,
    sender: Sender,
    lines: Lines,
    /// Room for the lines that were read and are not stored yet.
    share: Option<Share>,
    /// None once it has ended.
    body: Option<Body>,
    committed: Committed,
    is_over: bool,
}

impl Stream {
    /// Stores the next chunk and says how far it is.
    async fn answer_line(&mut self) -> Result<Bytes, Problem> {
        let stored = self.store_next().await;
        if stored.is_err() {
            // A sender that is still writing would see a broken connection instead of the answer.
            self.body.take().into_iter().for_each(discard);
        }
        stored.map(|()| written(&self.committed))
    }

    async fn store_next(&mut self) -> Result<(), Problem> {
        self.fill().await?;
        if self.lines.has_whole() {
            let chunk = self.lines.take();
            self.store(&chunk).await?;
            drop(chunk);
            if let Some(share) = &self.share {
                share.shrink_to(self.lines.held_bytes());
            }
        }
        self.is_over = self.body.is_none() && !self.lines.has_whole();
        Ok(())
    }

    /// Reads until there is a chunk's worth, or whole lines have waited long enough for more.
    async fn fill(&mut self) -> Result<(), Problem> {
        let stopping = self.api.stopping().clone();
        while !self.lines.is_full() {
            let Some(body) = &mut self.body else {
                return Ok(());
            };
            let has_whole = self.lines.has_whole();
            let patience = if has_whole { LINGER } else { MAX_SILENCE };
            let read = tokio::select! {
                read = tokio::time::timeout(patience, next_chunk(body)) => read,
                () = stopping.cancelled() => {
                    if has_whole {
                        return Ok(());
                    }
                    return Err(self.stopped());
                }
            };
            match read {
                Err(_) if has_whole => return Ok(()),
                Err(_) => {
                    let seconds = MAX_SILENCE.as_secs();
                    let detail =
                        format!("nothing came for {seconds} s; an empty line keeps a stream open");
                    return Err(Problem::new(Kind::BodyTimeout, detail));
                }
                Ok(Err(problem)) => return Err(problem),
                Ok(Ok(Some(bytes))) => {
                    self.lines.push(&bytes).map_err(bad_line)?;
                    let found = finds_room(self.share.clone(), self.lines.held_bytes()).await;
                    if found.is_err() && self.lines.has_whole() {
                        // Those are stored before more is read.
                        return Ok(());
                    }
                    found?;
                }
                Ok(Ok(None)) => {
                    self.body = None;
                    self.lines.finish();
                }
            }
        }
        Ok(())
    }

    fn stopped(&self) -> Problem {
        let detail = format!(
            "send on from line {} to another node, or again",
            self.committed.committed_lines + 1
        );
        Problem::new(Kind::Stopping, detail)
    }

    async fn store(&mut self, chunk: &Chunk) -> Result<(), Problem> {
        let accepted = self.accepted(chunk).await?;
        self.sender.events_before += accepted.len();
        let duplicates = accepted.iter().filter(|one| one.is_duplicate).count();
        self.committed = Committed {
            committed_lines: chunk.last_line(),
            duplicates: self.committed.duplicates + duplicates as u64,
        };
        Ok(())
    }

    /// Waits where there is no room, and asks again.
    async fn accepted(&mut self, chunk: &Chunk) -> Result<Vec<Accepted>, Problem> {
        loop {
            let numbered = chunk.events().map_err(bad_line)?;
            if numbered.events.is_empty() {
                return Ok(Vec::new());
            }
            let accepted = self
                .api
                .ingest()
                .accept(&self.sender, numbered.events)
                .await;
            let pause = match accepted {
                Ok(accepted) => return Ok(accepted),
                Err(AcceptError::Append(AppendError::Busy)) => BUSY_PAUSE,
                Err(AcceptError::OverQuota { retry_after, .. }) => retry_after.min(MAX_QUOTA_PAUSE),
                Err(error) => {
                    let line = error
                        .index()
                        .and_then(|index| numbered.lines.get(index).copied());
                    let problem = Problem::from(error);
                    return Err(match line {
                        Some(line) => problem.at_line(line),
                        None => problem,
                    });
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.api.stopping().cancelled() => return Err(self.stopped()),
            }
        }
    }
}

async fn finds_room(share: Option<Share>, bytes: usize) -> Result<(), Full> {
    match share {
        Some(share) => share.grow_to(bytes, ROOM_WITHIN).await,
        None => Ok(()),
    }
}

fn bad_line(bad: BadLine) -> Problem {
    Problem::from(bad.flaw).at_line(bad.line)
}
