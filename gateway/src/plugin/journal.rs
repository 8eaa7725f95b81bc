//! The last lines that plugins logged on this node, and their failures: what an author follows while
//! trying things out.
//!
//! Kept in memory, in order, within one bound for all plugins; a plugin that logs much drives out
//! older lines, its own and those of others. What must outlast the process is in the attempts.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId};
use crate::domain::plugin::ComponentDigest;
use crate::store::plugins::PluginKey;

/// Texts of all lines together.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// What a line takes beside its text, roughly.
const LINE_BYTES: usize = 256;

/// One line of a plugin, or one failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// Counts up over all lines of this node.
    pub number: u64,
    pub at: Timestamp,
    pub plugin: PluginKey,
    /// None where no version could be run.
    pub digest: Option<ComponentDigest>,
    /// Whose event it was.
    pub tenant: TenantId,
    pub delivery: DeliveryId,
    /// `debug`, `info`, `warn` or `error`; `failed` where there was no answer.
    pub level: &'static str,
    pub text: String,
}

/// Which version a line is about.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) plugin: PluginKey,
    /// None where no version could be run.
    pub(super) digest: Option<ComponentDigest>,
}

/// Which lines.
#[derive(Clone, Debug)]
pub struct JournalQuery<'a> {
    pub plugin: &'a PluginKey,
    /// Only about events of this tenant.
    pub tenant: Option<TenantId>,
    /// Only lines with a higher number; none means the last ones.
    pub after: Option<u64>,
    pub limit: usize,
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<JournalLine>,
    bytes: usize,
    next: u64,
}

impl Journal {
    /// Adds lines; their numbers are given here.
    pub(super) fn note(&self, lines: impl IntoIterator<Item = JournalLine>) {
        let mut ring = self.0.lock();
        for line in lines {
            ring.push(line);
        }
    }

    /// Lines in order, and the number to ask after for those to come.
    #[must_use]
    pub fn read(&self, query: &JournalQuery<'_>) -> (Vec<JournalLine>, u64) {
        let ring = self.0.lock();
        let is_wanted = |line: &&JournalLine| {
            line.plugin == *query.plugin
                && query.tenant.is_none_or(|tenant| line.tenant == tenant)
                && query.after.is_none_or(|after| line.number > after)
        };
        let wanted = ring.lines.iter().filter(is_wanted);
        let lines: Vec<JournalLine> = match query.after {
            Some(_) => wanted.take(query.limit).cloned().collect(),
            None => {
                let last: Vec<&JournalLine> = wanted.rev().take(query.limit).collect();
                last.into_iter().rev().cloned().collect()
            }
        };
        let next = match lines.last() {
            Some(last) if lines.len() == query.limit => last.number,
            _ => ring.next,
        };
        (lines, next)
    }
}

impl Ring {
    fn push(&mut self, line: JournalLine) {
        self.next += 1;
        self.bytes += LINE_BYTES + line.text.len();
        let number = self.next;
        self.lines.push_back(JournalLine { number, ..line });
        while self.bytes > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= LINE_BYTES + oldest.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EventId, LaneId, SubscriptionId};

    fn key(name: &str) -> PluginKey {
        PluginKey {
            tenant: TenantId::new(0),
            name: name.parse().unwrap(),
        }
    }

    fn line(name: &str, tenant: i32, text: &str) -> JournalLine {
        JournalLine {
            number: 0,
            at: Timestamp::from_ms(1),
            plugin: key(name),
            digest: None,
            tenant: TenantId::new(tenant),
            delivery: DeliveryId {
                event: EventId::first_at(Timestamp::from_ms(1), LaneId::new(0)),
                subscription: SubscriptionId::new(1),
            },
            level: "info",
            text: text.to_owned(),
        }
    }

    fn read(journal: &Journal, after: Option<u64>, tenant: Option<i32>) -> (Vec<String>, u64) {
        let (lines, next) = journal.read(&JournalQuery {
            plugin: &key("a"),
            tenant: tenant.map(TenantId::new),
            after,
            limit: 2,
        });
        (lines.into_iter().map(|line| line.text).collect(), next)
    }

    #[test]
    fn a_follower_sees_each_line_once_and_only_its_own() {
        let journal = Journal::default();
        assert_eq!(read(&journal, None, None), (vec![], 0));
        let lines = [
            line("a", 1, "1"),
            line("b", 1, "2"),
            line("a", 2, "3"),
            line("a", 1, "4"),
            line("a", 1, "5"),
        ];
        journal.note(lines);
        let texts =
            |texts: &[&str]| -> Vec<String> { texts.iter().map(|&text| text.into()).collect() };
        assert_eq!(read(&journal, None, None), (texts(&["4", "5"]), 5));
        assert_eq!(read(&journal, Some(0), None), (texts(&["1", "3"]), 3));
        assert_eq!(read(&journal, Some(3), None), (texts(&["4", "5"]), 5));
        assert_eq!(read(&journal, Some(5), None), (vec![], 5));
        assert_eq!(read(&journal, None, Some(2)), (texts(&["3"]), 5));
    }

    #[test]
    fn old_lines_make_room() {
        let journal = Journal::default();
        let long = "x".repeat(1024);
        journal.note((0..10_000).map(|_| line("a", 1, &long)));
        let ring = journal.0.lock();
        assert!(ring.bytes <= MAX_BYTES);
        assert!(ring.lines.len() > 3000);
        assert_eq!(ring.lines.back().map(|line| line.number), Some(10_000));
    }
}
