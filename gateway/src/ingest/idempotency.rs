//! What tells an event from its repetition, as two hashes: of the key, and of the content.

use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::flaw::{Flaw, Rule};
use super::{Identity, Incoming};
use crate::domain::event::Attributes;
use crate::log::{Idempotency, NewEvent};

const HEADER: &str = "idempotency-key";
const MAX_KEY_BYTES: usize = 255;

/// A producer's key for a whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The `Idempotency-Key` header: a string in quotes as the draft has it, or bare as most
    /// clients send it.
    ///
    /// # Errors
    /// Where it is given twice, empty, too long, or has other than visible ASCII characters.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Flaw> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let refuse = || Flaw::header(HEADER, Rule::IdempotencyKey);
        let text = value.to_str().map_err(|_| refuse())?.trim();
        let key = if text.starts_with('"') {
            quoted(text).ok_or_else(refuse)?
        } else {
            text.to_owned()
        };
        let is_key = (1..=MAX_KEY_BYTES).contains(&key.len())
            && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_key || values.next().is_some() {
            return Err(refuse());
        }
        Ok(Some(Self(key)))
    }
}

fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut key = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.push(chars.next().filter(|next| "\\\"".contains(*next))?),
            '"' => return None,
            c => key.push(c),
        }
    }
    Some(key)
}

/// Hashes for one event of a request, if anything tells it from others. `index` is its place in a
/// request with several.
#[must_use]
pub fn of(incoming: &Incoming, key: Option<&IdempotencyKey>, index: usize) -> Option<Idempotency> {
    let attributes = &incoming.attributes;
    let id = attributes.producer_id.as_deref().unwrap_or_default();
    let source = attributes.source.as_deref().unwrap_or_default();
    let key_hash = match (key, incoming.identity) {
        (Some(IdempotencyKey(key)), _) => {
            hash(&[b"key", key.as_bytes(), &(index as u64).to_be_bytes()])
        }
        (None, Identity::SourceAndId) => hash(&[b"source", source.as_bytes(), id.as_bytes()]),
        (None, Identity::ProducerId) => hash(&[b"id", id.as_bytes()]),
        (None, Identity::None) => return None,
    };
    Some(Idempotency {
        key_hash,
        body_hash: content_hash(incoming),
    })
}

/// Hashes for a row of an outbox in another database, which is named by `home`: however often it is
/// read, it is one event.
#[must_use]
pub fn of_row(home: &str, row: i64, event: &NewEvent) -> Idempotency {
    let attributes = serde_json::to_vec(&event.attributes).expect("attributes are plain data");
    Idempotency {
        key_hash: hash(&[b"outbox", home.as_bytes(), &row.to_be_bytes()]),
        body_hash: hash(&[event.event_type.as_bytes(), &attributes, &event.data]),
    }
}

/// Of all that a producer sends again when it repeats an event; the trace is new each time.
fn content_hash(incoming: &Incoming) -> [u8; 32] {
    let attributes = Attributes {
        trace_parent: None,
        trace_state: None,
        ..incoming.attributes.clone()
    };
    let attributes = serde_json::to_vec(&attributes).expect("attributes are plain data");
    hash(&[incoming.event_type.as_bytes(), &attributes, &incoming.data])
}

/// Each part with its length, so that no two lists of parts run together.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_in_quotes_and_bare() {
        for (value, expected) in [
            ("\"abc-1\"", Some("abc-1")),
            ("abc-1", Some("abc-1")),
            ("auto_7f0c3f3e-0000", Some("auto_7f0c3f3e-0000")),
            (r#""a\"b""#, Some("a\"b")),
            ("", None),
            ("\"\"", None),
            ("\"open", None),
            (r#""a"b""#, None),
        ] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(HEADER),
                http::HeaderValue::from_str(value).unwrap(),
            )]);
            let key = IdempotencyKey::from_headers(&headers).ok().flatten();
            assert_eq!(key.map(|key| key.0).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }
}
