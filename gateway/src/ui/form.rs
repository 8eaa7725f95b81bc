//! What forms bring: read within bounds, and only where they carry the session's own token.
//!
//! There is no other way to what a form says, so a handler that changes something cannot forget to
//! ask for the token.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts as _, Multipart, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::Ui;
use super::refusal::Refusal;
use super::session::Visitor;
use crate::ingest::room::{self, Share};

const MAX_FORM_BYTES: usize = 2 * 1024 * 1024;
/// Of a form that anybody may send: it has a key in it and no more.
const MAX_OPEN_FORM_BYTES: usize = 16 * 1024;
const WITHIN: Duration = Duration::from_secs(30);
/// The field that carries the session's token.
pub const TOKEN: &str = "form_token";

/// Names and values of a form, in its order.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn read(body: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(body)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// Without blanks around it; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// As it was written.
    pub fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn is_on(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// All values of a name that are not empty.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(found, _)| found == name);
        values
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// Its members with commas, blanks or line ends between them.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let parts = self.text(name).split([',', ' ', '\n', '\r', '\t']);
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// A value for JSON: null where the field is empty.
    pub fn or_null(&self, name: &str) -> Value {
        match self.text(name) {
            "" => Value::Null,
            text => Value::from(text),
        }
    }

    /// A whole number, or nothing.
    ///
    /// # Errors
    /// Where the field holds something else.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().map(Some);
        number.map_err(|_| Refusal::of_form(format!("{name} must be a whole number")))
    }
}

/// A form of somebody who is signed in.
#[derive(Debug)]
pub struct Filled(pub Visitor, pub Fields);

impl FromRequest<Ui> for Filled {
    type Rejection = Response;

    async fn from_request(request: Request, ui: &Ui) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, ui).await?;
        let share = parts.extensions.get::<Share>();
        let fields = Fields::read(&bounded(body, share, MAX_FORM_BYTES).await?);
        if visitor.owns(fields.raw(TOKEN)) {
            Ok(Self(visitor, fields))
        } else {
            Err(Refusal::forged().into_response())
        }
    }
}

/// A form that nobody has signed in for yet.
#[derive(Debug)]
pub struct Open(pub Fields);

impl FromRequest<Ui> for Open {
    type Rejection = Response;

    async fn from_request(request: Request, _: &Ui) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let share = parts.extensions.get::<Share>();
        let read = bounded(body, share, MAX_OPEN_FORM_BYTES).await?;
        Ok(Self(Fields::read(&read)))
    }
}

async fn bounded(
    body: axum::body::Body,
    share: Option<&Share>,
    max_bytes: usize,
) -> Result<Bytes, Response> {
    let reading = read(body, share, max_bytes);
    let whole = tokio::time::timeout(WITHIN, reading).await;
    whole
        .unwrap_or_else(|_| Err(too_large()))
        .map_err(axum::response::IntoResponse::into_response)
}

/// Takes room for what it reads, as it reads it.
async fn read(
    mut body: axum::body::Body,
    share: Option<&Share>,
    max_bytes: usize,
) -> Result<Bytes, Refusal> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| too_large())?.into_data() else {
            continue;
        };
        if whole.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
        if let Some(share) = share {
            let grown = share.grow_to(whole.len(), room::PATIENCE).await;
            grown.map_err(|_| overloaded())?;
        }
    }
    Ok(whole.freeze())
}

fn overloaded() -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "The gateway is overloaded",
        "Too much is being sent at once. Send the form again in a moment.",
    )
}

fn too_large() -> Refusal {
    let detail = "The form is too large, or did not come in time.";
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "This form cannot be taken",
        detail,
    )
}

/// A form with a file.
#[derive(Debug)]
pub struct Uploaded {
    pub visitor: Visitor,
    pub fields: Fields,
    /// None where no file was chosen.
    pub file: Option<Bytes>,
}

impl FromRequest<Ui> for Uploaded {
    type Rejection = Response;

    async fn from_request(request: Request, ui: &Ui) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, ui).await?;
        let announced = parts.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        if let (Some(share), Some(bytes)) = (parts.extensions.get::<Share>(), announced) {
            let grown = share.grow_to(bytes, room::PATIENCE).await;
            grown.map_err(|_| overloaded().into_response())?;
        }
        let request = Request::from_parts(parts, body);
        let reading = read_parts(request, ui);
        let (fields, file) = match tokio::time::timeout(WITHIN, reading).await {
            Ok(read) => read?,
            Err(_) => return Err(too_large().into_response()),
        };
        if !visitor.owns(fields.raw(TOKEN)) {
            return Err(Refusal::forged().into_response());
        }
        Ok(Self {
            visitor,
            fields,
            file,
        })
    }
}

async fn read_parts(request: Request, ui: &Ui) -> Result<(Fields, Option<Bytes>), Response> {
    let broken = |_| too_large().into_response();
    let mut parts = Multipart::from_request(request, ui)
        .await
        .map_err(axum::response::IntoResponse::into_response)?;
    let (mut fields, mut file) = (Vec::new(), None);
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(broken)?;
        if is_file {
            file = Some(bytes).filter(|bytes| !bytes.is_empty()).or(file);
        } else {
            fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok((Fields(fields), file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_forms_write_them() {
        let fields = Fields::read(b"types=a.*%0D%0Ab.c, d&state=dead&state=expired&n=x&empty=+");
        assert_eq!(fields.list("types"), ["a.*", "b.c", "d"]);
        assert_eq!(fields.all("state"), ["dead", "expired"]);
        assert_eq!(fields.or_null("empty"), Value::Null);
        assert!(fields.number("n").is_err());
        assert_eq!(fields.number("empty").unwrap(), None);
    }
}
