//! Reads the forms of jobs: every field that breaks a rule is told at once, with its cure.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::{FieldError, Problem};
use crate::domain::clock::Timestamp;
use crate::domain::duration::parse_duration;
use crate::domain::job::EventRange;
use crate::domain::pattern::TypePattern;
use crate::store::again::MISSING;
use crate::store::deliveries::DeliveryState;

/// Deliveries a second where no rate is given.
const DEFAULT_RATE: u32 = 1000;
const MAX_RATE: u32 = 10_000;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Collects what is wrong with a form, so that it is told at once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<FieldError>);

impl Fields {
    pub(super) fn push(&mut self, pointer: &str, detail: impl Into<String>) {
        self.0.push(FieldError {
            pointer: pointer.to_owned(),
            detail: detail.into(),
        });
    }

    pub(super) fn keep<T>(&mut self, value: Result<T, (&'static str, String)>) -> Option<T> {
        value
            .map_err(|(pointer, detail)| self.push(pointer, detail))
            .ok()
    }

    /// # Errors
    /// 422 with every field that breaks a rule.
    pub(super) fn end(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::fields(self.0))
        }
    }
}

/// A body as its form; an empty one has all defaults.
///
/// # Errors
/// 422 where a member is unknown or of another kind.
pub(super) fn read_form<T: DeserializeOwned + Default>(body: Value) -> Result<T, Problem> {
    if body.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(body).map_err(|error| {
        let mut fields = Fields::default();
        fields.push("#", error.to_string());
        fields.end().expect_err("one was pushed")
    })
}

/// An instant, or a duration back from now.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, (&'static str, String)> {
    if let Ok(back) = parse_duration(text) {
        let back = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
        return Ok(Timestamp::from_ms(now.as_ms().saturating_sub(back).max(0)));
    }
    Timestamp::parse_rfc3339(text).map_err(|_| {
        let detail = "must be a time such as 2026-11-23T20:00:00Z, or a duration such as 24h";
        ("#/since", detail.to_owned())
    })
}

pub(super) fn range(
    fields: &mut Fields,
    now: Timestamp,
    (since, until): (&Option<String>, &Option<String>),
    types: &[String],
) -> EventRange {
    let mut read = |text: &Option<String>, pointer: &'static str, default: Timestamp| {
        let read = text.as_deref().map_or(Ok(default), |text| {
            instant(text, now).map_err(|(_, detail)| (pointer, detail))
        });
        fields.keep(read).unwrap_or(default)
    };
    let yesterday = Timestamp::from_ms((now.as_ms() - DAY_MS).max(0));
    let since = read(since, "#/since", yesterday);
    let until = read(until, "#/until", Timestamp::from_ms(now.as_ms() + 1));
    if until <= since {
        fields.push("#/until", "must be later than since");
    }
    let mut patterns: Vec<TypePattern> = Vec::new();
    for text in types {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => fields.push("#/types", format!("{text:.80}: {error}")),
        }
    }
    EventRange {
        since_ms: since.as_ms(),
        until_ms: until.as_ms(),
        types: patterns,
    }
}

pub(super) fn states(fields: &mut Fields, named: Option<&[String]>, may_miss: bool) -> Vec<String> {
    const ALL: [&str; 7] = [
        "delivered",
        "dropped",
        "merged",
        "dead",
        "cancelled",
        "expired",
        MISSING,
    ];
    match named {
        Some(named) => states_of(fields, "#/states", named, may_miss),
        None => ALL.iter().map(|state| (*state).to_owned()).collect(),
    }
}

pub(super) fn states_of(
    fields: &mut Fields,
    pointer: &str,
    named: &[String],
    may_miss: bool,
) -> Vec<String> {
    if named.is_empty() {
        fields.push(pointer, "names no state; leave it out for all");
    }
    for state in named {
        match state.parse::<DeliveryState>() {
            Ok(DeliveryState::Pending) => fields.push(
                pointer,
                "what is pending is delivered anyway; name states that have ended",
            ),
            Ok(_) => {}
            Err(_) if may_miss && state == MISSING => {}
            Err(error) => fields.push(pointer, format!("{state:.40}: {error}")),
        }
    }
    named.to_vec()
}

pub(super) fn rate(fields: &mut Fields, rate: Option<u32>) -> u32 {
    let rate = rate.unwrap_or(DEFAULT_RATE);
    if !(1..=MAX_RATE).contains(&rate) {
        fields.push(
            "#/rate",
            format!("must be 1 to {MAX_RATE} deliveries a second"),
        );
    }
    rate
}
