//! What the process takes of the machine, under the names that every Prometheus client uses.
//!
//! Read from `/proc` when somebody asks. Where there is none, nothing is shown rather than a zero.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Ticks of a second in `/proc`: the same wherever Linux runs today, whatever the kernel's own rate.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        if let Some(Times { cpu, started }) = times() {
            let help = "Processor time of the process";
            show(
                &mut encoder,
                ("process_cpu", help, Some(&Unit::Seconds)),
                &ConstCounter::new(cpu),
            )?;
            let help = "When the process started, since 1970";
            let name = "process_start_time";
            show(
                &mut encoder,
                (name, help, Some(&Unit::Seconds)),
                &ConstGauge::new(started),
            )?;
        }
        if let Some(bytes) = resident_bytes() {
            let about = (
                "process_resident_memory",
                "Memory that is in use",
                Some(&Unit::Bytes),
            );
            show(&mut encoder, about, &ConstGauge::new(bytes))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
            show(
                &mut encoder,
                ("process_open_fds", "Files and sockets that are open", None),
                &ConstGauge::new(open),
            )?;
        }
        if let Some(most) = max_open_files() {
            show(
                &mut encoder,
                ("process_max_fds", "Most of them that may be", None),
                &ConstGauge::new(most),
            )?;
        }
        Ok(())
    }
}

fn show(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    metric: &impl EncodeMetric,
) -> Result<(), Error> {
    let encoder = encoder.encode_descriptor(name, help, unit, metric.metric_type())?;
    metric.encode(encoder)
}

/// In seconds.
struct Times {
    cpu: f64,
    started: f64,
}

fn times() -> Option<Times> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (user, system, start) = ticks(&stat)?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let booted: f64 = booted.trim().parse().ok()?;
    Some(Times {
        cpu: (user + system) / TICKS_PER_SECOND,
        started: booted + start / TICKS_PER_SECOND,
    })
}

/// Time of its own, of the kernel for it, and when it started. The program's name stands before
/// them in brackets and may hold anything.
fn ticks(stat: &str) -> Option<(f64, f64, f64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // `rest` begins with the third field.
    let field = |number: usize| fields.get(number - 3)?.parse().ok();
    Some((field(14)?, field(15)?, field(22)?))
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = kib.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn max_open_files() -> Option<i64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    soft.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn a_program_s_name_may_hold_brackets_and_blanks() {
        let stat = "7 (hook) gate (x)) S 1 7 7 0 -1 4 1 0 0 0 250 50 0 0 20 0 9 0 4711 1 1";
        assert_eq!(ticks(stat), Some((250.0, 50.0, 4711.0)));
        assert_eq!(ticks("7 (hookgate) S 1"), None);
    }
}
