//! The config: a tree of conditions.

use hookgate_plugin::json::{Pointer, RawValue};
use serde::{Deserialize, Deserializer};

use crate::compare::{Comparison, Scalar};
use crate::number::Number;

/// Something that is true or false of an event's data.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub enum Condition {
    /// Every one holds; so does an empty list.
    All(Vec<Condition>),
    /// At least one holds; an empty list never does.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The value at a place stands every comparison.
    At(Pointer, Vec<Comparison>),
}

impl Condition {
    /// # Errors
    /// Where the data is not JSON.
    pub fn holds(&self, data: &RawValue) -> Result<bool, serde_json::Error> {
        match self {
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.holds(data)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(data)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(condition) => Ok(!condition.holds(data)?),
            Self::At(pointer, comparisons) => {
                let value = pointer.find(data)?;
                Ok(comparisons.iter().all(|comparison| comparison.holds(value)))
            }
        }
    }
}

/// As it stands in a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    all: Option<Vec<Condition>>,
    any: Option<Vec<Condition>>,
    not: Option<Box<Condition>>,
    pointer: Option<Pointer>,
    #[serde(default, deserialize_with = "given")]
    eq: Option<Scalar>,
    #[serde(default, deserialize_with = "given")]
    ne: Option<Scalar>,
    r#in: Option<Vec<Scalar>>,
    prefix: Option<String>,
    gt: Option<Number>,
    gte: Option<Number>,
    lt: Option<Number>,
    lte: Option<Number>,
    exists: Option<bool>,
}

/// Tells `"eq": null` from no `eq` at all.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scalar>, D::Error> {
    Scalar::deserialize(deserializer).map(Some)
}

impl TryFrom<Written> for Condition {
    type Error = &'static str;

    fn try_from(mut written: Written) -> Result<Self, Self::Error> {
        let comparisons = written.take_comparisons();
        let lonely = "a comparison needs a pointer: {\"pointer\": \"/id\", \"eq\": 1}";
        match (written.pointer, written.all, written.any, written.not) {
            (Some(_), None, None, None) if comparisons.is_empty() => {
                Err("a pointer needs a comparison: eq, ne, in, prefix, gt, gte, lt, lte or exists")
            }
            (Some(pointer), None, None, None) => Ok(Self::At(pointer, comparisons)),
            (None, ..) if !comparisons.is_empty() => Err(lonely),
            (None, Some(all), None, None) => Ok(Self::All(all)),
            (None, None, Some(any), None) => Ok(Self::Any(any)),
            (None, None, None, Some(not)) => Ok(Self::Not(not)),
            _ => Err("a condition is exactly one of all, any, not and pointer"),
        }
    }
}

impl Written {
    fn take_comparisons(&mut self) -> Vec<Comparison> {
        [
            self.eq.take().map(Comparison::Eq),
            self.ne.take().map(Comparison::Ne),
            self.r#in.take().map(Comparison::In),
            self.prefix.take().map(Comparison::Prefix),
            self.gt.take().map(Comparison::Gt),
            self.gte.take().map(Comparison::Gte),
            self.lt.take().map(Comparison::Lt),
            self.lte.take().map(Comparison::Lte),
            self.exists.take().map(Comparison::Exists),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
