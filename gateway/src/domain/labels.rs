//! Labels: words of one's own that say which events are for which subscriptions.
//!
//! A subscription without labels gets events with any labels; one with labels gets the events that
//! carry one of them, and those that carry none, which are for everybody. So labels narrow only what
//! both sides have labelled, and whoever labels subscriptions to find them again loses nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Most labels of an event or a subscription.
pub const MAX_LABELS: usize = 20;

/// What a subscription is labelled with. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Option<Arc<[Box<str>]>>);

impl Labels {
    #[must_use]
    pub fn new(labels: &[String]) -> Self {
        let labels = labels.iter().map(|label| Box::from(&**label));
        Self(Some(labels.collect::<Arc<[_]>>()).filter(|labels| !labels.is_empty()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an event with these labels is for it.
    #[must_use]
    pub fn take(&self, of_event: &[Box<str>]) -> bool {
        match &self.0 {
            None => true,
            Some(_) if of_event.is_empty() => true,
            Some(own) => of_event.iter().any(|label| own.contains(label)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_narrow_what_both_sides_have_labelled() {
        let labels = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Labels::new(&texts)
        };
        for (own, of_event, is_for_it) in [
            (&[][..], &[][..], true),
            (&[], &["eu"], true),
            (&["eu"], &[], true),
            (&["eu"], &["eu"], true),
            (&["eu", "gold"], &["us", "gold"], true),
            (&["eu"], &["us"], false),
            (&["eu"], &["EU"], false),
        ] {
            let of_event: Vec<Box<str>> = of_event.iter().map(|text| Box::from(*text)).collect();
            assert_eq!(
                labels(own).take(&of_event),
                is_for_it,
                "{own:?} {of_event:?}"
            );
        }
    }
}
