//! Why filters let an event pass or not: one finding a rule, in words for whoever wrote them.

use super::candidate::Found;
use super::{Candidate, Filters, Rule};

/// What one rule says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Within the subscription: `/filters/0/all/1/exact`.
    pub pointer: String,
    pub holds: bool,
    pub detail: String,
}

impl Filters {
    /// Every rule, those within others after the one that holds them.
    #[must_use]
    pub fn explain(&self, candidate: &Candidate<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (index, rule) in self.rules().iter().enumerate() {
            rule.explain(candidate, &format!("/filters/{index}"), &mut findings);
        }
        findings
    }
}

impl Rule {
    fn explain(&self, candidate: &Candidate<'_>, at: &str, findings: &mut Vec<Finding>) {
        let place = findings.len();
        let (name, detail) = match self {
            Self::Attributes(how, pairs) => (how.name(), attributes(pairs, candidate)),
            Self::Data(rule) => {
                let found = match candidate.find(&rule.pointer) {
                    Found::Absent => "is absent".to_owned(),
                    Found::Composite => "is an object or an array".to_owned(),
                    Found::Scalar(text) => format!("is {}", short(text)),
                };
                ("data", format!("{:?} {found}", rule.pointer.as_str()))
            }
            Self::Sql(expression) => ("sql", expression.explain(candidate)),
            Self::All(_) => ("all", "every one of its filters must hold".to_owned()),
            Self::Any(_) => ("any", "one of its filters must hold".to_owned()),
            Self::Not(_) => ("not", "its filter must not hold".to_owned()),
        };
        let pointer = format!("{at}/{name}");
        findings.push(Finding {
            pointer: pointer.clone(),
            holds: self.holds(candidate),
            detail,
        });
        match self {
            Self::All(rules) | Self::Any(rules) => {
                for (index, rule) in rules.iter().enumerate() {
                    rule.explain(candidate, &format!("{pointer}/{index}"), findings);
                }
            }
            Self::Not(rule) => rule.explain(candidate, &pointer, findings),
            Self::Attributes(..) | Self::Data(_) | Self::Sql(_) => {
                debug_assert_eq!(findings.len(), place + 1);
            }
        }
    }
}

fn attributes(pairs: &[(Box<str>, Box<str>)], candidate: &Candidate<'_>) -> String {
    let each = pairs.iter().map(|(name, _)| match candidate.text(name) {
        Some(text) => format!("{name} is {:?}", short(&text)),
        None => format!("{name} is absent"),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Enough of a value to recognise it.
fn short(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    let mut short: String = text.chars().take(MAX_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
