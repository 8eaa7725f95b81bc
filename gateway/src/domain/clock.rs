//! Time as a value: instants are milliseconds, and the clock is handed in.
//!
//! No module reads the system's time by itself; `app` makes one [`Clock`] and passes it on, so a
//! test can hold time still. The clock follows the database's, because several nodes share that.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant in milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    #[must_use]
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, as signatures carry them.
    #[must_use]
    pub const fn as_unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Time from `earlier` to `self`; zero where `earlier` lies later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As Postgres and RFC 3339 want it; instants outside the years 0 to 9999 are clamped.
    #[must_use]
    pub fn as_datetime(self) -> OffsetDateTime {
        const MAX_MS: i64 = 253_402_300_799_999;
        const MIN_MS: i64 = -62_167_219_200_000;
        OffsetDateTime::from_unix_timestamp_nanos(
            i128::from(self.0.clamp(MIN_MS, MAX_MS)) * 1_000_000,
        )
        .expect("clamped to the years that the type can hold")
    }

    /// RFC 3339 in UTC with milliseconds where they are not zero.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.as_datetime()
            .format(&Rfc3339)
            .expect("the years 0 to 9999 can be written")
    }

    /// # Errors
    /// Where `text` is not an RFC 3339 date and time with an offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, time::error::Parse> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self::from)
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        Self(i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Says what time it is by the database's clock: the given source plus a measured offset.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    pub fn new(source: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
            offset_ms: Arc::new(AtomicI64::new(0)),
        }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(
            (self.source)()
                .0
                .saturating_add(self.offset_ms.load(Ordering::Relaxed)),
        )
    }

    /// Follows the database: `database_now` was read halfway between `before` and `after`, both by
    /// [`Clock::now`].
    pub fn follow(&self, database_now: Timestamp, before: Timestamp, after: Timestamp) {
        let local = before.0 + (after.0 - before.0) / 2;
        self.offset_ms
            .fetch_add(database_now.0 - local, Ordering::Relaxed);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("offset_ms", &self.offset_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_and_read_as_rfc3339() {
        let at = Timestamp::from_ms(1_700_000_000_123);
        assert_eq!(at.to_rfc3339(), "2023-11-14T22:13:20.123Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2023-11-14T23:13:20.123+01:00").unwrap(),
            at
        );
    }

    #[test]
    fn the_clock_follows_the_database() {
        let clock = Clock::new(|| Timestamp::from_ms(1_000));
        clock.follow(
            Timestamp::from_ms(4_000),
            Timestamp::from_ms(900),
            Timestamp::from_ms(1_100),
        );
        assert_eq!(clock.now(), Timestamp::from_ms(4_000));
    }
}
