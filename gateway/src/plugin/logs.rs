//! What plugins logged lately on this node, kept in memory for whoever watches.
//!
//! Bounded in lines, bytes and plugins, so a chatty plugin pushes out its own lines and no other's.
//! The host has escaped and cut every line before it comes here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hookgate_plugin_host::LogLine;
use parking_lot::Mutex;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId};
use crate::store::plugins::PluginKey;

const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 128 * 1024;
/// Plugins whose lines are kept; the one that was silent longest goes first.
const MAX_PLUGINS: usize = 200;

/// Where and when a call happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallPlace {
    pub(super) at: Timestamp,
    /// Whose event it was.
    pub(super) tenant: TenantId,
    pub(super) version: i32,
    pub(super) delivery: DeliveryId,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedLine {
    /// Grows from line to line, over restarts too.
    pub number: u64,
    pub at: Timestamp,
    pub version: i32,
    pub delivery: DeliveryId,
    pub line: LogLine,
    /// Lines of the same call that were dropped or shortened; told with the last one.
    pub cut: u32,
    tenant: TenantId,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct PluginLogs(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    next: u64,
    books: HashMap<PluginKey, Book>,
}

#[derive(Debug, Default)]
struct Book {
    lines: VecDeque<LoggedLine>,
    bytes: usize,
}

impl PluginLogs {
    /// `now` makes numbers grow over restarts.
    pub(super) fn new(now: Timestamp) -> Self {
        let next = u64::try_from(now.as_ms()).unwrap_or(0) * 1000;
        let books = HashMap::new();
        Self(Arc::new(Mutex::new(Books { next, books })))
    }

    pub(super) fn write(&self, key: &PluginKey, place: CallPlace, lines: Vec<LogLine>, cut: u32) {
        let mut books = self.0.lock();
        let last = lines.len().saturating_sub(1);
        let first = books.next;
        books.next += lines.len() as u64;
        let book = books.of(key);
        for (number, (index, line)) in (first..).zip(lines.into_iter().enumerate()) {
            book.push(LoggedLine {
                number,
                at: place.at,
                version: place.version,
                delivery: place.delivery,
                line,
                cut: if index == last { cut } else { 0 },
                tenant: place.tenant,
            });
        }
    }

    /// Up to `limit` lines: the first after `after`, or the last ones. Those of one tenant's events
    /// alone where a tenant is given.
    #[must_use]
    pub fn read(
        &self,
        key: &PluginKey,
        tenant: Option<TenantId>,
        after: Option<u64>,
        limit: usize,
    ) -> Vec<LoggedLine> {
        let books = self.0.lock();
        let Some(book) = books.books.get(key) else {
            return Vec::new();
        };
        let shown = |line: &&LoggedLine| tenant.is_none_or(|tenant| line.tenant == tenant);
        let lines = book.lines.iter().filter(shown);
        if let Some(after) = after {
            let later = lines.filter(|line| line.number > after);
            return later.take(limit).cloned().collect();
        }
        let mut lines: Vec<LoggedLine> = lines.rev().take(limit).cloned().collect();
        lines.reverse();
        lines
    }
}

impl Books {
    fn of(&mut self, key: &PluginKey) -> &mut Book {
        if !self.books.contains_key(key) {
            if self.books.len() >= MAX_PLUGINS {
                let silent = self.books.iter().min_by_key(|(_, book)| book.last_number());
                if let Some(silent) = silent.map(|(key, _)| key.clone()) {
                    self.books.remove(&silent);
                }
            }
            self.books.insert(key.clone(), Book::default());
        }
        self.books.get_mut(key).expect("it was there, or put there")
    }
}

impl Book {
    fn last_number(&self) -> u64 {
        self.lines.back().map_or(0, |line| line.number)
    }

    fn push(&mut self, line: LoggedLine) {
        self.bytes += line.line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.line.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use hookgate_plugin_host::LogLevel;

    use super::*;
    use crate::domain::ids::{EventId, SubscriptionId};

    fn place(tenant: i32) -> CallPlace {
        CallPlace {
            at: Timestamp::from_ms(1_790_000_000_000),
            tenant: TenantId::new(tenant),
            version: 1,
            delivery: DeliveryId {
                event: EventId::new(1),
                subscription: SubscriptionId::new(1),
            },
        }
    }

    fn key(name: &str) -> PluginKey {
        PluginKey {
            tenant: TenantId::new(0),
            name: name.parse().unwrap(),
        }
    }

    fn lines(texts: &[&str]) -> Vec<LogLine> {
        let line = |text: &&str| LogLine {
            level: LogLevel::Info,
            text: (*text).to_owned(),
        };
        texts.iter().map(line).collect()
    }

    fn texts(lines: &[LoggedLine]) -> Vec<&str> {
        lines.iter().map(|line| line.line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_read_on_from_where_the_last_reader_stopped() {
        let logs = PluginLogs::new(Timestamp::from_ms(1000));
        logs.write(&key("a"), place(1), lines(&["one", "two", "three"]), 4);
        logs.write(&key("b"), place(1), lines(&["other"]), 0);
        let last = logs.read(&key("a"), None, None, 2);
        assert_eq!(texts(&last), ["two", "three"]);
        assert_eq!((last[0].cut, last[1].cut), (0, 4));
        let after = last[1].number;
        assert!(logs.read(&key("a"), None, Some(after), 10).is_empty());
        logs.write(&key("a"), place(1), lines(&["four", "five"]), 0);
        assert_eq!(texts(&logs.read(&key("a"), None, Some(after), 1)), ["four"]);
    }

    #[test]
    fn a_tenant_sees_what_was_logged_for_its_own_events() {
        let logs = PluginLogs::new(Timestamp::from_ms(0));
        logs.write(&key("a"), place(1), lines(&["mine"]), 0);
        logs.write(&key("a"), place(2), lines(&["theirs"]), 0);
        let one = Some(TenantId::new(1));
        assert_eq!(texts(&logs.read(&key("a"), one, None, 10)), ["mine"]);
        assert_eq!(logs.read(&key("a"), None, None, 10).len(), 2);
    }

    #[test]
    fn a_chatty_plugin_pushes_out_its_own_lines_alone() {
        let logs = PluginLogs::new(Timestamp::from_ms(0));
        logs.write(&key("quiet"), place(1), lines(&["still here"]), 0);
        for _ in 0..10_000 {
            logs.write(&key("chatty"), place(1), lines(&[&"x".repeat(1024)]), 0);
        }
        let kept = logs.read(&key("chatty"), None, None, 10_000);
        assert_eq!(kept.len(), 128);
        assert_eq!(logs.read(&key("quiet"), None, None, 10).len(), 1);
        for number in 0..MAX_PLUGINS {
            logs.write(&key(&format!("p{number}")), place(1), lines(&["x"]), 0);
        }
        assert!(logs.read(&key("quiet"), None, None, 10).is_empty());
        assert_eq!(logs.0.lock().books.len(), MAX_PLUGINS);
    }
}
