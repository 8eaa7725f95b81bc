//! Where a benchmark writes down what it found: figures with their floors, what was missing, and the
//! account of all events.
//!
//! Computes ratios and nothing else; what is measured how is the benchmarks' business.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::ledger::{Account, quantile_ms};
use super::Setting;
use super::floor::Floor;
use super::rig::Measured;

/// A number, and what it is to be read beside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Under which conditions: `fan-out 100`.
    pub case: String,
    /// What was measured: `deliveries`.
    pub what: String,
    pub value: f64,
    /// `/s`, `ms`, `µs`, `MiB`, or `x` for a ratio.
    pub unit: String,
    /// The same measured without a gateway, in the same run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub floor: Option<f64>,
    /// Value by floor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub goal: Option<Goal>,
}

/// A bound, and whether it was kept. On the ratio where there is one and `of_floor` says so.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Goal {
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    pub of_floor: bool,
    pub is_met: bool,
}

/// What one benchmark found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub name: String,
    pub shows: String,
    pub is_short: bool,
    /// RFC 3339, in UTC.
    pub measured_at: String,
    pub took_seconds: f64,
    pub figures: Vec<Figure>,
    /// Of every event that was to be delivered.
    pub ledger: Account,
    /// What could not be measured, and why; what is to be known beside the figures.
    pub notes: Vec<String>,
}

/// Open while a benchmark runs.
#[derive(Debug)]
pub struct Book {
    pub(super) setting: Setting,
    figures: Vec<Figure>,
    ledger: Account,
    notes: Vec<String>,
}

impl Book {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            setting,
            figures: Vec::new(),
            ledger: Account::default(),
            notes: Vec::new(),
        }
    }

    pub(super) fn close(self, (name, shows): (String, String), took: Duration) -> Outcome {
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        Outcome {
            name,
            shows,
            is_short: self.setting.is_short,
            measured_at: now
                .format(&Rfc3339)
                .expect("the years of our age can be written"),
            took_seconds: took.as_secs_f64(),
            figures: self.figures,
            ledger: self.ledger,
            notes: self.notes,
        }
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        let what = what.into();
        super::tell(&what);
        self.notes.push(what);
    }

    pub(super) fn settle(&mut self, account: Account) {
        self.ledger += account;
    }

    /// Adds a figure; the rest of it is said by what is returned.
    pub(super) fn figure(
        &mut self,
        case: &str,
        what: &str,
        (value, unit): (f64, &str),
    ) -> Entry<'_> {
        self.figures.push(Figure {
            case: case.to_owned(),
            what: what.to_owned(),
            value,
            unit: unit.to_owned(),
            floor: None,
            ratio: None,
            goal: None,
        });
        Entry(self.figures.last_mut().expect("it was just added"))
    }

    /// What every case of deliveries has: rate, processor time and statements, beside the floor.
    pub(super) fn end_to_end(&mut self, case: &str, measured: &Measured, floor: &Floor) {
        let deliveries = measured.account.arrived.max(1) as f64;
        let events = measured.account.acknowledged.max(1) as f64;
        self.settle(measured.account);
        let rate = deliveries / measured.span.as_secs_f64();
        self.figure(case, "deliveries", (rate, "/s"))
            .beside(floor.per_second);
        let acknowledged = events / measured.sending.as_secs_f64();
        self.figure(case, "events acknowledged meanwhile", (acknowledged, "/s"));
        let us = |time: Duration, count: f64| time.as_secs_f64() * 1e6 / count;
        let gateway_us = us(measured.used.gateway, deliveries);
        self.figure(case, "gateway CPU per delivery", (gateway_us, "µs"))
            .beside(floor.us);
        let load_us = us(measured.used.load, deliveries);
        self.figure(case, "load and sink CPU per delivery", (load_us, "µs"))
            .beside(floor.us);
        self.figure(
            case,
            "gateway CPU / (load + sink CPU)",
            (gateway_us / load_us.max(f64::MIN_POSITIVE), "x"),
        );
        let postgres_us = us(measured.used.postgres, deliveries);
        self.figure(case, "Postgres CPU per delivery", (postgres_us, "µs"));
        if let Some(statements) = measured.statements {
            let each = statements as f64 / deliveries;
            self.figure(case, "statements per delivery", (each, "x"));
        }
    }

    /// Quantiles of what waited, in milliseconds.
    pub(super) fn quantiles(
        &mut self,
        (case, what): (&str, &str),
        waits: &[Duration],
        floor: &[Duration],
    ) {
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let value = quantile_ms(waits, share);
            let entry = self.figure(case, &format!("{what}, {name}"), (value, "ms"));
            if !floor.is_empty() {
                entry.beside(quantile_ms(floor, share));
            }
        }
    }
}

/// The figure that was added last.
pub(super) struct Entry<'a>(&'a mut Figure);

impl Entry<'_> {
    /// Beside the same without a gateway.
    pub(super) fn beside(self, floor: f64) -> Self {
        self.0.floor = Some(floor);
        self.0.ratio = (floor > 0.0).then(|| self.0.value / floor);
        self
    }

    pub(super) fn at_most(self, bound: f64) {
        self.0.goal = Some(Goal {
            at_least: None,
            at_most: Some(bound),
            of_floor: false,
            is_met: self.0.value <= bound,
        });
    }

    /// Of the floor.
    pub(super) fn at_least_of_floor(self, bound: f64) {
        self.0.goal = Some(Goal {
            at_least: Some(bound),
            at_most: None,
            of_floor: true,
            is_met: self.0.ratio.is_some_and(|ratio| ratio >= bound),
        });
    }

    /// Of the floor.
    pub(super) fn at_most_of_floor(self, bound: f64) {
        self.0.goal = Some(Goal {
            at_least: None,
            at_most: Some(bound),
            of_floor: true,
            is_met: self.0.ratio.is_some_and(|ratio| ratio <= bound),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_on_the_value_or_on_its_share_of_the_floor() {
        let setting = Setting {
            is_short: true,
            window: Duration::from_secs(1),
            folder: "x".into(),
        };
        let mut book = Book::new(setting);
        book.figure("a", "b", (40.0, "/s"))
            .beside(100.0)
            .at_least_of_floor(0.4);
        book.figure("a", "b", (40.0, "/s"))
            .beside(100.0)
            .at_least_of_floor(0.41);
        book.figure("a", "b", (40.0, "/s")).at_most_of_floor(1.0);
        let met: Vec<bool> = book
            .figures
            .iter()
            .map(|figure| figure.goal.unwrap().is_met)
            .collect();
        assert_eq!(
            met,
            [true, false, false],
            "a goal without its floor is not met"
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let waits: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert!((quantile_ms(&waits, 0.99) - 99.0).abs() < 1.5);
        assert!((quantile_ms(&[], 0.5)).abs() < f64::EPSILON);
    }
}
