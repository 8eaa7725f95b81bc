//! Turns texts into typed values and keeps every mistake on the way.
//!
//! A wrong value reads as nothing, so that reading goes on and the next mistake is found too.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use super::Mistake;
use super::keys::{Key, Kind};
use super::layers::Values;
use crate::domain::duration::{format_duration, parse_duration};

pub(super) struct Reader<'a> {
    values: &'a Values,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(values: &'a Values, mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { values, mistakes }
    }

    /// A setting that must have a value; one that is missing or wrong is a mistake and nothing.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.values.contains_key(name) {
            self.refuse(name, "must be set");
        }
        self.optional(name, parse)?
    }

    /// A setting that may be left out. Nothing at all means that it is wrong.
    #[expect(clippy::option_option, reason = "wrong and left out are not the same")]
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(value) = self.values.get(name) else {
            return Some(None);
        };
        match parse(value.text.trim()) {
            Ok(parsed) => Some(Some(parsed)),
            Err(rule) => {
                self.refuse(name, &rule);
                None
            }
        }
    }

    /// The key of a value that is well formed but wrong beside the others.
    pub(super) fn refuse(&mut self, name: &str, rule: &str) {
        let is_secret = Key::named(name).is_some_and(|key| key.kind == Kind::Secret);
        let value = self.values.get(name);
        self.mistakes.push(Mistake {
            key: name.to_owned(),
            value: value.filter(|_| !is_secret).map(|value| value.text.clone()),
            rule: rule.to_owned(),
            source: value.map(|value| value.source.clone()),
        });
    }
}

pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// From `min` to `max`.
pub(super) fn duration(min: Duration, max: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let duration = parse_duration(text).map_err(|error| error.to_string())?;
        if (min..=max).contains(&duration) {
            return Ok(duration);
        }
        Err(format!(
            "must be from {} to {}",
            format_duration(min),
            format_duration(max)
        ))
    }
}

/// From 1 to `max`.
pub(super) fn count(max: usize) -> impl Fn(&str) -> Result<NonZeroUsize, String> {
    move |text| {
        let count = text
            .parse::<NonZeroUsize>()
            .ok()
            .filter(|count| count.get() <= max);
        count.ok_or_else(|| format!("must be a number from 1 to {max}"))
    }
}

/// From `min` to `max` bytes, as a number or with KiB or MiB.
pub(super) fn bytes(min: usize, max: usize) -> impl Fn(&str) -> Result<usize, String> {
    move |text| {
        let (number, unit) = text.split_at(
            text.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len()),
        );
        let unit_bytes = match unit.trim() {
            "" | "B" => Some(1),
            "KiB" => Some(1024),
            "MiB" => Some(1024 * 1024),
            _ => None,
        };
        let size = number
            .parse::<usize>()
            .ok()
            .zip(unit_bytes)
            .and_then(|(number, unit)| number.checked_mul(unit));
        size.filter(|size| (min..=max).contains(size))
            .ok_or_else(|| format!("must be from {min} to {max} bytes, as in 65536, 64KiB or 1MiB"))
    }
}

/// Members with commas; none in an empty text.
pub(super) fn list<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .map(parse)
        .collect()
}

/// Whatever the type itself can read, else `rule`.
pub(super) fn parsed<T: FromStr>(rule: &str) -> impl Fn(&str) -> Result<T, String> {
    move |text| text.parse().map_err(|_| rule.to_owned())
}
