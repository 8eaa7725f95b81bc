//! Deliveries that stand for several events: which of them are shown to the plugins, and what their
//! verdicts come to together.
//!
//! A window sends one event: its latest, or what a plugin folded its events into. A batch sends what
//! its plugins let pass; where one of its events fails, the whole batch waits, so that its retry is
//! the same. A plain delivery is one event and no more.

use std::sync::Arc;

use super::transform::Transform;
use crate::domain::event::Event;
use crate::domain::parcel::{Item, Parcel};
use crate::domain::plugin::{ComponentDigest, PluginName};
use crate::domain::prepared::{PipelineResult, PluginFailure, Prepared};
use crate::domain::queueing::Grouping;
use crate::domain::subscription::Subscription;
use crate::log::work::{Company, Work};

/// Which plugins ran.
pub(super) type Ran = Vec<(PluginName, ComponentDigest)>;

/// The events of one delivery that go through the plugins.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) events: Vec<Arc<Event>>,
    /// What has run before: the fold.
    ran: Ran,
}

/// What the plugins made of a delivery.
#[derive(Debug)]
pub(super) enum Verdict {
    Deliver(Vec<Item>),
    Drop { reason: String },
    Failed(PluginFailure),
}

/// What of a delivery is shown to the plugins. Folds a window that asks for it.
pub(super) async fn events(
    transform: &dyn Transform,
    subscription: &Arc<Subscription>,
    work: &Work,
) -> Result<Members, (PluginFailure, Ran)> {
    let single = |event: Arc<Event>, ran| Members {
        events: vec![event],
        ran,
    };
    let Some(Company { group, events }) = &work.company else {
        return Ok(single(work.event.clone(), Ran::new()));
    };
    match (group.grouping, subscription.fold()) {
        (Grouping::Batch, _) => Ok(Members {
            events: events.clone(),
            ran: Ran::new(),
        }),
        (Grouping::Fold, Some(plugin)) if events.len() > 1 => {
            let folding = transform.fold(subscription.clone(), plugin.clone(), events.clone());
            let folded = folding.await;
            match folded.result {
                Ok(event) => Ok(single(event, folded.ran)),
                Err(failure) => Err((failure, folded.ran)),
            }
        }
        // Alone it is its own result; without a fold the latest stands for all.
        _ => Ok(single(work.event.clone(), Ran::new())),
    }
}

/// What the results of a delivery's events come to. Takes all of `results`.
pub(super) fn verdict(
    members: Members,
    mut results: impl Iterator<Item = Prepared>,
) -> (Verdict, Ran) {
    let mut ran = members.ran;
    let before = ran.len();
    let mut items = Vec::new();
    let (mut dropped, mut failed) = (None, None);
    for (event, Prepared { result, ran: these }) in members.events.into_iter().zip(&mut results) {
        if ran.len() == before {
            ran.extend(these);
        }
        match result {
            PipelineResult::Deliver(outgoing) => items.push(Item {
                event,
                outgoing: Some(outgoing),
            }),
            PipelineResult::Drop { reason } => dropped = Some(reason),
            PipelineResult::Failed(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    // Those of its other events are not the next delivery's.
    results.for_each(drop);
    let verdict = match (failed, dropped) {
        (Some(failure), _) => Verdict::Failed(failure),
        (None, Some(reason)) if items.is_empty() => Verdict::Drop { reason },
        (None, _) => Verdict::Deliver(items),
    };
    (verdict, ran)
}

/// What the delivery's request carries; without plugins its events go as they are.
pub(super) fn parcel(work: &Work, items: Option<Vec<Item>>) -> Parcel {
    let group = work.company.as_ref().map(|company| &company.group);
    let as_they_are = || {
        let company = work.company.as_ref();
        let batch = company.filter(|company| company.group.grouping == Grouping::Batch);
        let events = batch.map_or(std::slice::from_ref(&work.event), |batch| &batch.events);
        let item = |event: &Arc<Event>| Item {
            event: event.clone(),
            outgoing: None,
        };
        events.iter().map(item).collect()
    };
    Parcel {
        delivery: work.ticket.delivery(),
        items: items.unwrap_or_else(as_they_are),
        // A window's sequence is its event's; only what was asked to be in order has its own.
        sequence: work.sequence.filter(|_| group.is_none()),
        group: group.map(|group| (group.grouping, group.members.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::plugin::OnError;
    use crate::domain::prepared::Outgoing;

    #[test]
    fn a_batch_that_fails_leaves_no_results_to_the_next_delivery() {
        let event = Arc::new(testing::event(b"1"));
        let members = |count| Members {
            events: vec![event.clone(); count],
            ran: Ran::new(),
        };
        let prepared = |result| Prepared {
            result,
            ran: Ran::new(),
        };
        let outgoing = |data: &'static [u8]| {
            prepared(PipelineResult::Deliver(Outgoing {
                content_type: None,
                data: bytes::Bytes::from_static(data),
                headers: Vec::new(),
            }))
        };
        let failure = PluginFailure {
            plugin: "a".parse().unwrap(),
            kind: "trap",
            reason: "it broke".to_owned(),
            on_error: OnError::Retry,
            retry: None,
        };
        let failed = prepared(PipelineResult::Failed(failure));
        let results = [failed, outgoing(b"batch"), outgoing(b"next")];
        let mut results = results.into_iter();
        let (verdict_of_batch, _) = verdict(members(2), results.by_ref().take(2));
        assert!(matches!(verdict_of_batch, Verdict::Failed(_)));
        let (verdict_of_next, _) = verdict(members(1), results.by_ref().take(1));
        let Verdict::Deliver(items) = verdict_of_next else {
            panic!("it passed")
        };
        let data = items[0]
            .outgoing
            .as_ref()
            .map(|outgoing| &outgoing.data[..]);
        assert_eq!(data, Some(&b"next"[..]));
    }
}
