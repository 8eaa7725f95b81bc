//! What a run found, as JSON for machines and as a table for people.

use std::fmt;

use serde::Serialize;

use super::ledger::Account;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// All numbers of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long each part was measured.
    pub window_seconds: u64,
    /// Requests per second of the same client straight to the same sink.
    pub floor_per_second: f64,
    /// Processor time of client and sink for each of them, in microseconds.
    pub floor_us: f64,
    /// Events per second that nobody subscribes to, each acknowledged after its commit.
    pub acknowledged_per_second: f64,
    pub plain: Deliveries,
    pub skinny: Deliveries,
    pub plain_latency: Latency,
    pub skinny_latency: Latency,
    pub memory: Memory,
    pub idle: Idle,
    /// Of every event that was to be delivered.
    pub ledger: Account,
}

/// Deliveries under full load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Deliveries {
    /// Events acknowledged per second while deliveries went on.
    pub acknowledged_per_second: f64,
    /// From the first send to the last arrival.
    pub per_second: f64,
    /// What was left to deliver when the last event was acknowledged took so long.
    pub seconds_after_last_answer: f64,
    pub cost: Cost,
}

/// Processor time of one delivery with its event, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    pub gateway_us: f64,
    pub postgres_us: f64,
    pub load_us: f64,
}

/// From sending an event to its arrival, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Resident memory of the gateway's process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    pub idle_bytes: u64,
    pub loaded_bytes: u64,
}

/// The gateway without anything to do.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// The gateway's own, without autovacuum's.
    pub statements_per_second: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<46}{:>12}  {:>9}", "", "", "of floor")?;
        let rate = |f: &mut fmt::Formatter<'_>, name: &str, per_second: f64| {
            let share = per_second / self.floor_per_second * 100.0;
            writeln!(f, "{name:<46}{per_second:>10.0}/s  {share:>8.1}%")
        };
        rate(f, "floor: client to sink", self.floor_per_second)?;
        rate(
            f,
            "events acknowledged, nobody subscribed",
            self.acknowledged_per_second,
        )?;
        for (name, part) in self.parts() {
            rate(f, &format!("deliveries, {name}"), part.per_second)?;
            rate(
                f,
                "  events acknowledged meanwhile",
                part.acknowledged_per_second,
            )?;
            let left = part.seconds_after_last_answer;
            writeln!(
                f,
                "{:<46}{left:>10.2} s",
                "  from the last answer to the last arrival"
            )?;
        }
        self.costs(f)?;
        for (name, latency) in [
            ("no plugin", self.plain_latency),
            ("skinny", self.skinny_latency),
        ] {
            let Latency {
                p50_ms,
                p99_ms,
                max_ms,
            } = latency;
            let name = format!("send to arrival at 50/s, {name}");
            writeln!(
                f,
                "{name:<46}p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.2} ms"
            )?;
        }
        self.standing(f)?;
        let Account {
            sent,
            acknowledged,
            arrived,
            missing,
            duplicates,
        } = self.ledger;
        write!(
            f,
            "ledger: {sent} sent, {acknowledged} acknowledged, {arrived} arrived, {missing} missing, {duplicates} duplicates"
        )
    }
}

impl Report {
    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in self.parts() {
            let Cost {
                gateway_us,
                postgres_us,
                load_us,
            } = part.cost;
            let costs = [
                ("gateway", gateway_us),
                ("postgres", postgres_us),
                ("load and sink", load_us),
            ];
            for (process, us) in costs {
                let name = format!("processor per delivery, {name}: {process}");
                writeln!(f, "{name:<46}{us:>9.1} us  {:>8.2}x", us / self.floor_us)?;
            }
        }
        writeln!(
            f,
            "{:<46}{:>9.1} us  {:>8.2}x",
            "processor per request of the floor", self.floor_us, 1.0
        )
    }

    fn standing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory {
            idle_bytes,
            loaded_bytes,
        } = self.memory;
        writeln!(
            f,
            "{:<46}{:>9.1} MiB",
            "gateway's memory, idle",
            idle_bytes as f64 / MEBIBYTE
        )?;
        writeln!(
            f,
            "{:<46}{:>9.1} MiB",
            "gateway's memory, after the load",
            loaded_bytes as f64 / MEBIBYTE
        )?;
        writeln!(
            f,
            "{:<46}{:>10.1}/s",
            "statements while idle", self.idle.statements_per_second
        )
    }

    fn parts(&self) -> [(&'static str, Deliveries); 2] {
        [("no plugin", self.plain), ("skinny", self.skinny)]
    }
}
