//! The way from a page to the API: a request in the same process, in the name of the session's
//! caller.
//!
//! The caller travels beside the request, where nothing that comes over a socket can put it. What
//! the API answers is read as JSON; what it refuses stays a refusal.

use std::fmt::Write as _;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::refusal::Refusal;
use super::session::Visitor;

/// Largest answer that is read; lists are paged, data is bounded by what may be sent in.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A path of the API, with what stands behind its question mark.
#[derive(Clone, Debug)]
pub struct Place(String);

impl Place {
    /// From its segments, each of which stays one whatever it holds.
    pub fn of(segments: &[&str]) -> Self {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            escape(&mut path, segment);
        }
        Self(path)
    }

    /// With a member of the query; an empty value is left out.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            escape(&mut self.0, value);
        }
        self
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// What the API answered, where it did not refuse.
#[derive(Debug)]
pub struct Reply {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Visitor {
    /// # Errors
    /// What the API refuses, or an answer of another shape.
    pub async fn get<T: DeserializeOwned>(&self, place: &Place) -> Result<T, Refusal> {
        let reply = self.call(Method::GET, place, ("", Bytes::new())).await?;
        read(&reply.body)
    }

    /// # Errors
    /// As [`Self::get`].
    pub async fn send<T: DeserializeOwned>(
        &self,
        (method, place): (Method, &Place),
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = written(body)?;
        let reply = self.call(method, place, ("application/json", body)).await?;
        read(&reply.body)
    }

    /// Of which the answer's body is of no interest.
    ///
    /// # Errors
    /// What the API refuses.
    pub async fn post(&self, place: &Place, body: &impl Serialize) -> Result<(), Refusal> {
        let sent = ("application/json", written(body)?);
        self.call(Method::POST, place, sent).await.map(drop)
    }

    /// # Errors
    /// What the API refuses.
    pub async fn call(
        &self,
        method: Method,
        place: &Place,
        (content_type, body): (&str, Bytes),
    ) -> Result<Reply, Refusal> {
        let mut request = Request::builder().method(method).uri(place.as_str());
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let mut request = request
            .body(Body::from(body))
            .map_err(|error| Refusal::fault(&error))?;
        request.extensions_mut().insert(self.caller.clone());
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let api = self.ui.parts().api.clone();
        let response = match api.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_ANSWER_BYTES)
            .await
            .map_err(|error| Refusal::fault(&error))?;
        if parts.status.is_success() {
            Ok(Reply {
                headers: parts.headers,
                body,
            })
        } else {
            Err(Refusal::read(parts.status, &body))
        }
    }
}

/// As JSON; nothing for null.
fn written(body: &impl Serialize) -> Result<Bytes, Refusal> {
    let text = serde_json::to_string(body).map_err(|error| Refusal::fault(&error))?;
    Ok(if text == "null" {
        Bytes::new()
    } else {
        text.into()
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal::fault(&error))
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_segment_stays_one_whatever_it_holds() {
        let place = Place::of(&["v1", "events", "../keys?x=1#y"]).with("type", "a&b=*");
        assert_eq!(
            place.as_str(),
            "/v1/events/..%2Fkeys%3Fx%3D1%23y?type=a%26b%3D%2A"
        );
        assert_eq!(
            Place::of(&["v1", "events"]).with("type", "").as_str(),
            "/v1/events"
        );
    }
}
