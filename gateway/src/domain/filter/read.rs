//! Filters as subscribers write them: read into rules, refused by place and with the cure.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::cesql::Expression;
use super::data::{Comparison, DataRule, Pointer, Scalar};
use super::number::Number;
use super::{MAX_DEPTH, MAX_FILTER_BYTES, MAX_FILTERS, MAX_RULES, Match, Rule};

const DIALECTS: &str = "exact, prefix, suffix, all, any, not, data and sql";
const COMPARISONS: &str = "eq, ne, in, gt, gte, lt, lte, prefix and exists";
/// Longest list of `in`.
const MAX_IN: usize = 100;

/// A place in the array of filters that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer} {detail}")]
pub struct InvalidFilter {
    /// Within the array; empty for the array itself.
    pub pointer: String,
    pub detail: String,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

pub(super) fn filters(text: &str) -> Result<Vec<Rule>, Vec<InvalidFilter>> {
    let whole = |detail: String| {
        vec![InvalidFilter {
            pointer: String::new(),
            detail,
        }]
    };
    if text.len() > MAX_FILTER_BYTES {
        return Err(whole(format!(
            "has {} bytes, {MAX_FILTER_BYTES} are allowed",
            text.len()
        )));
    }
    let raws: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| whole("must be an array of filters, all of which must hold".to_owned()))?;
    if raws.len() > MAX_FILTERS {
        return Err(whole(format!(
            "has {} filters, {MAX_FILTERS} are allowed",
            raws.len()
        )));
    }
    let mut reader = Reader { rules: 0 };
    let mut rules = Vec::with_capacity(raws.len());
    let mut errors = Vec::new();
    for (index, raw) in raws.into_iter().enumerate() {
        match reader.rule(raw, &format!("/{index}"), 0) {
            Ok(rule) => rules.push(rule),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

fn refuse(pointer: &str, detail: impl Into<String>) -> InvalidFilter {
    InvalidFilter {
        pointer: pointer.to_owned(),
        detail: detail.into(),
    }
}

fn below(pointer: &str, name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    format!("{pointer}/{}", short.replace('~', "~0").replace('/', "~1"))
}

fn members<'a>(raw: &'a RawValue, at: &str, what: &str) -> Result<Members<'a>, InvalidFilter> {
    serde_json::from_str(raw.get()).map_err(|_| refuse(at, format!("must be an object: {what}")))
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

struct Reader {
    rules: usize,
}

impl Reader {
    fn rule(&mut self, raw: &RawValue, at: &str, depth: usize) -> Result<Rule, InvalidFilter> {
        self.rules += 1;
        if self.rules > MAX_RULES {
            let detail = format!("is one rule too many; {MAX_RULES} are allowed");
            return Err(refuse(at, detail));
        }
        if depth > MAX_DEPTH {
            let detail = format!("is nested too deep; {MAX_DEPTH} levels are allowed");
            return Err(refuse(at, detail));
        }
        let members = members(raw, at, r#"{"exact": {"source": "billing"}}"#)?;
        let mut each = members.into_iter();
        let (Some((dialect, value)), None) = (each.next(), each.next()) else {
            let detail = format!("must have exactly one member, a dialect: {DIALECTS}");
            return Err(refuse(at, detail));
        };
        let at = &below(at, &dialect);
        match dialect.as_str() {
            "exact" => attributes(Match::Exact, value, at),
            "prefix" => attributes(Match::Prefix, value, at),
            "suffix" => attributes(Match::Suffix, value, at),
            "all" => self.several(value, at, depth).map(Rule::All),
            "any" => self.several(value, at, depth).map(Rule::Any),
            "not" => {
                let rule = self.rule(value, at, depth + 1)?;
                Ok(Rule::Not(Box::new(rule)))
            }
            "data" => data(value, at).map(Rule::Data),
            "sql" => sql(value, at).map(Rule::Sql),
            _ => Err(refuse(at, format!("is no dialect; there are {DIALECTS}"))),
        }
    }

    fn several(
        &mut self,
        raw: &RawValue,
        at: &str,
        depth: usize,
    ) -> Result<Vec<Rule>, InvalidFilter> {
        let raws: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| refuse(at, "must be an array of filters"))?;
        if raws.is_empty() {
            return Err(refuse(at, "must have at least one filter"));
        }
        let each = raws.into_iter().enumerate();
        each.map(|(index, raw)| self.rule(raw, &format!("{at}/{index}"), depth + 1))
            .collect()
    }
}

fn attributes(how: Match, raw: &RawValue, at: &str) -> Result<Rule, InvalidFilter> {
    let members = members(raw, at, r#"attributes and texts, {"source": "billing"}"#)?;
    if members.is_empty() {
        return Err(refuse(at, "must name at least one attribute"));
    }
    let mut pairs = Vec::with_capacity(members.len());
    for (name, raw) in members {
        let at = &below(at, &name);
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_allowed) {
            let detail = "is no attribute of CloudEvents: lower-case letters and digits; \
                          for members of the data there is the dialect data";
            return Err(refuse(at, detail));
        }
        let wanted = string(raw).filter(|text| !text.is_empty());
        let wanted = wanted.ok_or_else(|| refuse(at, "must be a text that is not empty"))?;
        pairs.push((name.into(), wanted.into()));
    }
    Ok(Rule::Attributes(how, pairs))
}

fn sql(raw: &RawValue, at: &str) -> Result<Expression, InvalidFilter> {
    let text = string(raw).ok_or_else(|| refuse(at, "must be a text: a CESQL expression"))?;
    Expression::parse(&text).map_err(|error| refuse(at, error.to_string()))
}

fn data(raw: &RawValue, at: &str) -> Result<DataRule, InvalidFilter> {
    let mut members = members(raw, at, r#"{"pointer": "/amount", "gte": 100}"#)?;
    let pointer = members
        .remove("pointer")
        .ok_or_else(|| refuse(at, r#"needs a pointer, such as "pointer": "/amount""#))?;
    let place = below(at, "pointer");
    let pointer = string(pointer)
        .and_then(|text| Pointer::parse(&text))
        .ok_or_else(|| {
            refuse(
                &place,
                r#"must be a JSON pointer, such as "/order/items/0/sku""#,
            )
        })?;
    if members.is_empty() {
        let detail = format!("needs a comparison: {COMPARISONS}");
        return Err(refuse(at, detail));
    }
    let comparisons = members
        .into_iter()
        .map(|(name, raw)| comparison(&name, raw).map_err(|why| refuse(&below(at, &name), why)));
    Ok(DataRule {
        pointer,
        comparisons: comparisons.collect::<Result<_, _>>()?,
    })
}

fn comparison(name: &str, raw: &RawValue) -> Result<Comparison, String> {
    let text = raw.get();
    let scalar = |text: &str| {
        Scalar::parse(text)
            .ok_or_else(|| "must be a string, a number, true, false or null".to_owned())
    };
    let number = || Number::parse(text).ok_or_else(|| "must be a number".to_owned());
    Ok(match name {
        "eq" => Comparison::Eq(scalar(text)?),
        "ne" => Comparison::Ne(scalar(text)?),
        "in" => {
            let refusal = || format!("must be an array of 1 to {MAX_IN} values");
            let raws: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| refusal())?;
            if !(1..=MAX_IN).contains(&raws.len()) {
                return Err(refusal());
            }
            let scalars = raws.into_iter().map(|raw| scalar(raw.get()));
            Comparison::In(scalars.collect::<Result<_, _>>()?)
        }
        "gt" => Comparison::Gt(number()?),
        "gte" => Comparison::Gte(number()?),
        "lt" => Comparison::Lt(number()?),
        "lte" => Comparison::Lte(number()?),
        "prefix" => match string(raw) {
            Some(text) => Comparison::Prefix(text.into()),
            None => return Err("must be a string".to_owned()),
        },
        "exists" => match text {
            "true" => Comparison::Exists(true),
            "false" => Comparison::Exists(false),
            _ => return Err("must be true or false".to_owned()),
        },
        _ => return Err(format!("is no comparison; there are {COMPARISONS}")),
    })
}
