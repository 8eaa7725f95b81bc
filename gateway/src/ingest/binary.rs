//! A request as events: which mode it is in, and CloudEvents whose attributes are headers.
//!
//! Takes what the SDKs in use really send: values with and without percent signs, quotes or
//! Latin-1, JSON without a media type, and a media type without a body.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::value::RawValue;

use super::cloudevents::{self, Draft, OPAQUE};
use super::flaw::{Flaw, Rule};
use super::{Incoming, json, scan};

const PREFIX: &str = "ce-";
const CONTENT_TYPE_NAME: &str = "content-type";

/// What a request to the events endpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    One(Box<Incoming>),
    Many(Vec<Incoming>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Json,
    Structured,
    Batched,
    Binary,
}

/// Reads a request in whichever mode its headers say.
///
/// # Errors
/// Names the first place that breaks a rule.
pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Request, Flaw> {
    let one = |event| Request::One(Box::new(event));
    match mode(headers)? {
        Mode::Json => json::one(body).map(one),
        Mode::Structured => cloudevents::one(body).map(one),
        Mode::Batched => cloudevents::many(body).map(Request::Many),
        Mode::Binary => binary(headers, body).map(one),
    }
}

/// Refuses what is not an array of events in JSON by its media type.
///
/// # Errors
/// Where the media type is another one.
pub fn expect_json(headers: &HeaderMap) -> Result<(), Flaw> {
    match mode(headers)? {
        Mode::Json => Ok(()),
        _ => Err(Flaw::header(
            CONTENT_TYPE_NAME,
            Rule::MediaType {
                known: "application/json or application/x-ndjson here, and POST /v1/events for CloudEvents",
            },
        )),
    }
}

fn mode(headers: &HeaderMap) -> Result<Mode, Flaw> {
    let refuse = |rule| Flaw::header(CONTENT_TYPE_NAME, rule);
    let content_type = content_type(headers)?.unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if let Some(kind) = essence.strip_prefix("application/cloudevents") {
        let mode = match kind {
            "-batch+json" | "-batch" => Mode::Batched,
            "+json" | "" => Mode::Structured,
            _ => {
                return Err(refuse(Rule::MediaType {
                    known: "application/cloudevents+json or application/cloudevents-batch+json",
                }));
            }
        };
        if !cloudevents::is_utf8(&content_type) {
            return Err(refuse(Rule::Charset));
        }
        return Ok(mode);
    }
    let is_binary = ["ce-specversion", "ce-id", "ce-source", "ce-type"]
        .iter()
        .any(|name| headers.contains_key(*name));
    if is_binary {
        return Ok(Mode::Binary);
    }
    if !essence.is_empty() && !crate::domain::event::is_json(&essence) {
        return Err(refuse(Rule::MediaType {
            known: "application/json, application/cloudevents+json, \
                    application/cloudevents-batch+json, or ce- headers with any type",
        }));
    }
    if !cloudevents::is_utf8(&content_type) {
        return Err(refuse(Rule::Charset));
    }
    Ok(Mode::Json)
}

fn content_type(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Flaw> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Flaw::header(CONTENT_TYPE_NAME, Rule::ControlCharacter))?;
    Ok(Some(text.into()))
}

fn binary(headers: &HeaderMap, body: &Bytes) -> Result<Incoming, Flaw> {
    let mut draft = Draft::default();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        let at = |rule| Flaw::header(header.as_str(), rule);
        if name == "datacontenttype" {
            return Err(at(Rule::Beside(CONTENT_TYPE_NAME)));
        }
        if headers.get_all(header).iter().nth(1).is_some() {
            return Err(at(Rule::Twice));
        }
        let value = decoded(value.as_bytes()).map_err(at)?;
        draft.set(name, &value).map_err(at)?;
    }
    set_content_type(&mut draft, headers, body)?;
    json::bounded_data(body.len()).map_err(|rule| Flaw::body("", rule))?;
    draft.finish(body.clone(), |name| {
        Flaw::header(
            format!("{PREFIX}{name}"),
            Rule::Missing("CloudEvents needs ce-specversion, ce-id, ce-source and ce-type"),
        )
    })
}

/// An empty body is an event without data, whatever its media type says; a body without a media
/// type is JSON if it reads as JSON.
fn set_content_type(draft: &mut Draft, headers: &HeaderMap, body: &Bytes) -> Result<(), Flaw> {
    if body.is_empty() {
        return Ok(());
    }
    let content_type = match content_type(headers)? {
        None if check_json(body).is_ok() => return Ok(()),
        None => OPAQUE.into(),
        Some(text) => text,
    };
    let content_type = cloudevents::media_type(&content_type)
        .map_err(|rule| Flaw::header(CONTENT_TYPE_NAME, rule))?;
    if crate::domain::event::is_json(content_type) {
        check_json(body).map_err(|rule| Flaw::body("", rule))?;
    }
    draft.attributes.content_type = Some(content_type.into());
    Ok(())
}

pub(super) fn check_json(bytes: &[u8]) -> Result<(), Rule> {
    let raw: &RawValue =
        serde_json::from_slice(bytes).map_err(|error| Rule::NotJson(error.to_string()))?;
    scan::check(raw.get().as_bytes())
}

/// A header's value: out of its quotes, then one round of percent-decoding. Bytes that are not
/// UTF-8 are Latin-1; what percent signs encode must be UTF-8.
fn decoded(value: &[u8]) -> Result<String, Rule> {
    let text = match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().copied().map(char::from).collect()),
    };
    let text = unquoted(text.trim_matches([' ', '\t']));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let encoded = after.first_chunk::<2>().and_then(|digits| hex(*digits));
        match encoded {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| Rule::HeaderText)
}

fn hex(digits: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(digits[0])? * 16 + digit(digits[1])?;
    u8::try_from(value).ok()
}

fn unquoted(text: &str) -> Cow<'_, str> {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return text.into();
    };
    let mut unquoted = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        unquoted.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    unquoted.into()
}

#[cfg(test)]
mod tests;
