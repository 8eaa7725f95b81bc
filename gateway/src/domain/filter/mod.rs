//! Declarative filters: which events of the right type a subscription wants.
//!
//! The dialects of CloudEvents over attributes (`exact`, `prefix`, `suffix`, `all`, `any`, `not`,
//! `sql`), and `data` over the event's JSON. A filter is read once, when a subscription is made or
//! loaded, and asked for every event of its types, so it parses nothing that it does not need and
//! its cost is bounded by the limits here. Never changes an event and never fails: what cannot be
//! compared is not wanted.

mod candidate;
pub mod cesql;
mod data;
mod document;
mod explain;
mod number;
mod read;

use std::fmt;
use std::sync::Arc;

pub use self::candidate::Candidate;
pub use self::explain::Finding;
pub use self::read::InvalidFilter;

/// Most filters of one subscription.
pub const MAX_FILTERS: usize = 50;
/// Most rules of one subscription, nested ones counted too.
pub const MAX_RULES: usize = 200;
/// Deepest nesting of `all`, `any` and `not`.
pub const MAX_DEPTH: usize = 8;
/// Longest text of all filters together.
pub const MAX_FILTER_BYTES: usize = 16 * 1024;

/// The filters of a subscription, all of which must hold. Cheap to clone.
#[derive(Clone, Default)]
pub struct Filters(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    /// As it was written: numbers keep every digit.
    text: Box<str>,
    rules: Vec<Rule>,
}

/// One filter, compiled.
#[derive(Debug)]
enum Rule {
    Attributes(Match, Vec<(Box<str>, Box<str>)>),
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Data(data::DataRule),
    Sql(cesql::Expression),
}

/// How an attribute's text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Exact,
    Prefix,
    Suffix,
}

impl Match {
    const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
        }
    }

    fn holds(self, given: &str, wanted: &str) -> bool {
        match self {
            Self::Exact => given == wanted,
            Self::Prefix => given.starts_with(wanted),
            Self::Suffix => given.ends_with(wanted),
        }
    }
}

impl Filters {
    /// Reads a JSON array of filters.
    ///
    /// # Errors
    /// Every filter that breaks a rule, by its pointer within the array.
    pub fn parse(text: &str) -> Result<Self, Vec<InvalidFilter>> {
        let rules = read::filters(text)?;
        if rules.is_empty() {
            return Ok(Self::default());
        }
        let text = text.trim().into();
        Ok(Self(Some(Arc::new(Inner { text, rules }))))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// As they were written: a JSON array.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.as_ref().map_or("[]", |inner| &inner.text)
    }

    /// Whether all of them hold.
    #[must_use]
    pub fn hold(&self, candidate: &Candidate<'_>) -> bool {
        self.rules().iter().all(|rule| rule.holds(candidate))
    }

    /// An attribute and the only value of it that these filters let pass, where there is one: what
    /// an index may go by.
    #[must_use]
    pub fn required(&self) -> Option<(&str, &str)> {
        self.rules().iter().find_map(|rule| match rule {
            Rule::Attributes(Match::Exact, pairs) => {
                let (name, value) = pairs.first()?;
                Some((&**name, &**value))
            }
            _ => None,
        })
    }

    fn rules(&self) -> &[Rule] {
        self.0.as_ref().map_or(&[], |inner| &inner.rules)
    }
}

impl Rule {
    fn holds(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Attributes(how, pairs) => pairs.iter().all(|(name, wanted)| {
                let given = candidate.text(name);
                given.is_some_and(|given| how.holds(&given, wanted))
            }),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(candidate)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(candidate)),
            Self::Not(rule) => !rule.holds(candidate),
            Self::Data(rule) => rule.holds(candidate),
            Self::Sql(expression) => expression.holds(candidate),
        }
    }
}

impl PartialEq for Filters {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filters({})", self.as_json())
    }
}

#[cfg(test)]
mod tests;
