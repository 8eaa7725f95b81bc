//! A reader of the tail: opens it, takes what comes, and knows where it is.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::api::Api;

/// What comes late fails its test.
const LIMIT: Duration = Duration::from_secs(60);

/// A line that stays open until it is dropped.
#[derive(Debug)]
pub struct Tail {
    response: Response,
    read: String,
    frames: VecDeque<Frame>,
    place: Option<String>,
}

#[derive(Debug)]
struct Frame {
    event: String,
    value: Value,
    place: Option<String>,
}

impl Tail {
    /// # Panics
    /// Where it is refused.
    pub async fn open(api: &Api, query: &str) -> Self {
        Self::begin(api, query, None).await
    }

    /// Behind the event of this place, as a browser that comes back would.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn open_at(api: &Api, query: &str, place: &str) -> Self {
        Self::begin(api, query, Some(place)).await
    }

    async fn begin(api: &Api, query: &str, place: Option<&str>) -> Self {
        let mut request = api.request(Method::GET, &format!("/v1/tail?{query}"));
        if let Some(place) = place {
            request = request.header("last-event-id", place);
        }
        let request = request.timeout(Duration::from_secs(600));
        let response = request.send().await.expect("the gateway answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            read: String::new(),
            frames: VecDeque::new(),
            place: None,
        }
    }

    /// The next event.
    ///
    /// # Panics
    /// Where something else comes, or nothing.
    pub async fn event(&mut self) -> Value {
        self.next("event").await
    }

    /// The id of the next event.
    ///
    /// # Panics
    /// Where something else comes, or nothing.
    pub async fn id(&mut self) -> String {
        let event = self.event().await;
        event["id"].as_str().expect("events have ids").to_owned()
    }

    /// What comes next, which must be called so.
    ///
    /// # Panics
    /// Where something else comes, or nothing.
    pub async fn next(&mut self, event: &str) -> Value {
        loop {
            let frame = self.frame().await.expect("the tail goes on");
            if !frame.event.is_empty() {
                assert_eq!(frame.event, event, "{}", frame.value);
                return frame.value;
            }
        }
    }

    /// Where it is; waits for the first word where nothing was said yet.
    ///
    /// # Panics
    /// Where the tail ends before.
    pub async fn place(&mut self) -> String {
        while self.place.is_none() {
            let frame = self.frame().await.expect("the tail goes on");
            assert!(frame.event.is_empty(), "its place comes first");
        }
        self.place.clone().expect("it was just said")
    }

    /// All that comes until it ends.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        while let Some(frame) = self.frame().await {
            if !frame.event.is_empty() {
                rest.push(frame.value);
            }
        }
        rest
    }

    async fn frame(&mut self) -> Option<Frame> {
        while self.frames.is_empty() {
            let chunk = timeout(LIMIT, self.response.chunk()).await;
            let chunk = chunk.expect("something comes in time").ok().flatten()?;
            self.read.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = self.read.find("\n\n") {
                let text: String = self.read.drain(..end + 2).collect();
                self.frames.push_back(Frame::read(&text));
            }
        }
        let frame = self.frames.pop_front()?;
        self.place = frame.place.clone().or(self.place.take());
        Some(frame)
    }
}

impl Frame {
    fn read(text: &str) -> Self {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
        };
        let data = field("data: ").unwrap_or_default();
        Self {
            event: field("event: ").unwrap_or_default(),
            value: serde_json::from_str(&data).unwrap_or_default(),
            place: field("id: "),
        }
    }
}
