//! What a backtest has found so far: counts, times, and samples of what differs.
//!
//! Kept while the job runs, so that another node can go on with it; everything in it is bounded.
//! Two outcomes are equal where receivers would see the same: the same bytes, media type and
//! headers, or nothing in both cases.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backtest::Seen;
use super::json_diff::{Change, diff};
use crate::domain::event::{Attributes, is_json};
use crate::domain::ids::{EventId, SubscriptionId};
use crate::domain::prepared::{Outgoing, PipelineResult, PluginFailure};

/// Places shown of one event.
const MAX_CHANGES: usize = 20;
/// Samples of one kind of change, so that a rare one is seen beside a common one.
const MAX_SAMPLES_OF_KIND: u32 = 5;
/// Kinds of failures that are told apart.
const MAX_ERROR_KINDS: usize = 32;
const MAX_REASON_CHARS: usize = 300;
/// Quarter powers of two of a nanosecond.
const BUCKETS: usize = 160;

/// One event that came out differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sample {
    #[schema(value_type = String)]
    pub event: EventId,
    #[schema(value_type = Option<String>)]
    pub subscription: Option<SubscriptionId>,
    pub before: String,
    pub after: String,
    /// Why it was dropped, or what failed.
    pub before_reason: Option<String>,
    pub after_reason: Option<String>,
    pub changes: Vec<Change>,
    /// There are more places than are shown.
    pub has_more_changes: bool,
}

/// A kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorSeen {
    pub count: u64,
    /// Of the first.
    pub reason: String,
    #[schema(value_type = String)]
    pub event: EventId,
}

/// One version over all events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Side {
    pub verdicts: BTreeMap<String, u64>,
    pub errors: BTreeMap<String, ErrorSeen>,
    pub calls: u64,
    pub wall_ns: u64,
    pub cpu_ns: u64,
    /// Bytes of data that would have gone out.
    pub bytes_out: u64,
    /// Calls by their wall time.
    buckets: BTreeMap<usize, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    pub compared: u64,
    /// Did not reach the plugin: one before it dropped or failed them.
    pub skipped: u64,
    pub changed: u64,
    /// Of the changed: the same JSON, written otherwise.
    pub respelled: u64,
    /// Of the changed and the equal: what became of what, `replace → drop`.
    pub transitions: BTreeMap<String, u64>,
    pub before: Side,
    pub after: Side,
    pub samples: Vec<Sample>,
    max_samples: u16,
    sampled: BTreeMap<String, u32>,
}

impl Tally {
    #[must_use]
    pub fn with_samples(max_samples: u16) -> Self {
        Self {
            max_samples,
            ..Self::default()
        }
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.skipped += count as u64;
    }

    pub(super) fn add(
        &mut self,
        (event, subscription): (EventId, SubscriptionId),
        [before, after]: [Seen; 2],
    ) {
        self.compared += 1;
        self.before.add(event, &before);
        self.after.add(event, &after);
        let transition = format!("{} → {}", before.verdict, after.verdict);
        *self.transitions.entry(transition.clone()).or_default() += 1;
        if is_same(&before.result, &after.result) {
            return;
        }
        self.changed += 1;
        let (changes, has_more_changes) = differences(&before.result, &after.result);
        self.respelled += u64::from(changes.is_empty());
        let of_kind = self.sampled.entry(transition).or_default();
        if self.samples.len() >= usize::from(self.max_samples) || *of_kind >= MAX_SAMPLES_OF_KIND {
            return;
        }
        *of_kind += 1;
        self.samples.push(Sample {
            event,
            subscription: (subscription.get() > 0).then_some(subscription),
            before_reason: reason(&before.result),
            after_reason: reason(&after.result),
            before: before.verdict.to_owned(),
            after: after.verdict.to_owned(),
            changes,
            has_more_changes,
        });
    }
}

impl Side {
    fn add(&mut self, event: EventId, seen: &Seen) {
        *self.verdicts.entry(seen.verdict.to_owned()).or_default() += 1;
        self.calls += 1;
        self.wall_ns += nanos(seen.duration);
        self.cpu_ns += nanos(seen.cpu);
        *self.buckets.entry(bucket(seen.duration)).or_default() += 1;
        match &seen.result {
            PipelineResult::Deliver(outgoing) => self.bytes_out += outgoing.data.len() as u64,
            PipelineResult::Drop { .. } => {}
            PipelineResult::Failed(PluginFailure { kind, reason, .. }) => {
                if let Some(known) = self.errors.get_mut(*kind) {
                    known.count += 1;
                } else if self.errors.len() < MAX_ERROR_KINDS {
                    let reason = cut(reason);
                    let first = ErrorSeen {
                        count: 1,
                        reason,
                        event,
                    };
                    self.errors.insert((*kind).to_owned(), first);
                }
            }
        }
    }

    /// Wall time that so many percent of the calls stayed within, to a fifth.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.calls * percent).div_ceil(100);
        let mut passed = 0;
        for (bucket, count) in &self.buckets {
            passed += count;
            if passed >= rank {
                let exponent = (*bucket as f64 + 1.0) / 4.0;
                return Duration::from_nanos(exponent.exp2() as u64);
            }
        }
        Duration::ZERO
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn bucket(duration: Duration) -> usize {
    let quarters = (nanos(duration).max(1) as f64).log2() * 4.0;
    (quarters as usize).min(BUCKETS - 1)
}

fn is_same(before: &PipelineResult, after: &PipelineResult) -> bool {
    match (before, after) {
        (PipelineResult::Deliver(one), PipelineResult::Deliver(other)) => {
            content_type(one) == content_type(other)
                && one.data == other.data
                && one.headers == other.headers
        }
        (PipelineResult::Drop { .. }, PipelineResult::Drop { .. }) => true,
        (PipelineResult::Failed(one), PipelineResult::Failed(other)) => one.kind == other.kind,
        _ => false,
    }
}

fn content_type(outgoing: &Outgoing) -> &str {
    outgoing
        .content_type
        .as_deref()
        .unwrap_or(Attributes::DEFAULT_CONTENT_TYPE)
}

fn reason(result: &PipelineResult) -> Option<String> {
    match result {
        PipelineResult::Deliver(_) => None,
        PipelineResult::Drop { reason } => Some(cut(reason)),
        PipelineResult::Failed(PluginFailure { kind, reason, .. }) => {
            Some(cut(&format!("{kind}: {reason}")))
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_REASON_CHARS).collect()
}

/// Where what goes out differs; nothing where one of the two does not go out.
fn differences(before: &PipelineResult, after: &PipelineResult) -> (Vec<Change>, bool) {
    let (PipelineResult::Deliver(before), PipelineResult::Deliver(after)) = (before, after) else {
        let (before, after) = (fate(before), fate(after));
        let change = Change::new("", before.as_ref(), after.as_ref());
        return (vec![change], false);
    };
    let mut changes = Vec::new();
    let (one, other) = (content_type(before), content_type(after));
    if one != other {
        let (one, other) = (Value::from(one), Value::from(other));
        changes.push(Change::new("content-type", Some(&one), Some(&other)));
    }
    changes.extend(header_changes(before, after));
    changes.truncate(MAX_CHANGES);
    if before.data == after.data {
        return (changes, false);
    }
    let room = MAX_CHANGES - changes.len();
    let (of_data, has_more) = diff(&data(before), &data(after), room);
    changes.extend(of_data);
    (changes, has_more)
}

/// What stands for a message that one of the two does not send.
fn fate(result: &PipelineResult) -> Option<Value> {
    match result {
        PipelineResult::Deliver(outgoing) => Some(data(outgoing)),
        PipelineResult::Drop { .. } | PipelineResult::Failed(_) => None,
    }
}

fn header_changes(before: &Outgoing, after: &Outgoing) -> Vec<Change> {
    let of = |outgoing: &Outgoing| -> BTreeMap<String, Value> {
        let headers = outgoing.headers.iter();
        headers
            .map(|(name, value)| (name.to_string(), Value::from(&**value)))
            .collect()
    };
    let (one, other) = (of(before), of(after));
    let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .map(|name| Change::new(&format!("header:{name}"), one.get(name), other.get(name)))
        .collect()
}

/// The data to look into: JSON as such, other text as text, the rest in base64.
fn data(outgoing: &Outgoing) -> Value {
    let parsed = is_json(content_type(outgoing))
        .then(|| serde_json::from_slice(&outgoing.data).ok())
        .flatten();
    parsed.unwrap_or_else(|| match std::str::from_utf8(&outgoing.data) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(STANDARD.encode(&outgoing.data)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plugin::OnError;

    fn deliver(verdict: &'static str, data: &'static str, header: Option<&str>) -> Seen {
        let headers = header.map(|value| ("x-a".into(), value.into()));
        seen(
            verdict,
            PipelineResult::Deliver(Outgoing {
                content_type: None,
                data: bytes::Bytes::from_static(data.as_bytes()),
                headers: headers.into_iter().collect(),
            }),
        )
    }

    fn seen(verdict: &'static str, result: PipelineResult) -> Seen {
        Seen {
            verdict,
            result,
            duration: Duration::from_micros(10),
            cpu: Duration::from_micros(8),
        }
    }

    fn failed(kind: &'static str) -> Seen {
        let result = PipelineResult::Failed(PluginFailure {
            plugin: "p".parse().unwrap(),
            kind,
            reason: "because".to_owned(),
            on_error: OnError::Park,
            retry: None,
        });
        seen("failed", result)
    }

    fn dropped(reason: &str) -> Seen {
        let reason = reason.to_owned();
        seen("drop", PipelineResult::Drop { reason })
    }

    fn tally(pairs: Vec<[Seen; 2]>) -> Tally {
        let mut tally = Tally::with_samples(20);
        for (number, pair) in (1..).zip(pairs) {
            tally.add((EventId::new(number), SubscriptionId::new(1)), pair);
        }
        tally
    }

    #[test]
    fn what_receivers_cannot_tell_apart_is_equal() {
        let tally = tally(vec![
            [deliver("pass", "{}", None), deliver("replace", "{}", None)],
            [dropped("small"), dropped("too small")],
            [failed("trap"), failed("trap")],
        ]);
        assert_eq!((tally.compared, tally.changed), (3, 0));
        assert_eq!(tally.transitions["pass → replace"], 1);
        assert_eq!(tally.before.errors["trap"].count, 1);
    }

    #[test]
    fn every_other_difference_is_a_change_with_its_place() {
        let tally = tally(vec![
            [
                deliver("pass", r#"{"a":1}"#, None),
                deliver("replace", r#"{"a":2}"#, None),
            ],
            [
                deliver("pass", r#"{"a":1}"#, None),
                deliver("replace", r#"{ "a": 1 }"#, None),
            ],
            [
                deliver("pass", "{}", Some("1")),
                deliver("pass", "{}", Some("2")),
            ],
            [deliver("pass", "{}", None), dropped("not wanted")],
            [failed("trap"), failed("timeout")],
        ]);
        assert_eq!((tally.changed, tally.respelled), (5, 1));
        let places: Vec<Vec<&str>> = tally
            .samples
            .iter()
            .map(|sample| sample.changes.iter().map(|c| c.path.as_str()).collect())
            .collect();
        assert_eq!(places[0], ["/a"]);
        assert!(places[1].is_empty());
        assert_eq!(places[2], ["header:x-a"]);
        assert_eq!(tally.samples[3].after_reason.as_deref(), Some("not wanted"));
        assert_eq!(
            tally.samples[4].before_reason.as_deref(),
            Some("trap: because")
        );
    }

    #[test]
    fn a_rare_change_is_shown_beside_a_common_one() {
        let mut pairs: Vec<[Seen; 2]> = (0..50)
            .map(|_| [deliver("pass", "1", None), deliver("replace", "2", None)])
            .collect();
        pairs.push([deliver("pass", "1", None), dropped("rare")]);
        let tally = tally(pairs);
        assert_eq!(tally.samples.len(), 6);
        assert_eq!(tally.samples[5].after, "drop");
    }

    #[test]
    fn it_goes_on_where_it_was_saved() {
        let one = tally(vec![[deliver("pass", "1", None), dropped("no")]]);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), one);
        let median = one.before.percentile(50);
        assert!((9..=12).contains(&median.as_micros()), "{median:?}");
    }
}
