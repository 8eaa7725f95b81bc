//! What processes have used, as Linux counts it in `/proc`.
//!
//! Processor time comes in ticks of a hundredth of a second, which is fine over seconds and says
//! nothing about a single delivery.

use std::fs;
use std::io;
use std::ops::Sub;
use std::time::Duration;

/// `USER_HZ`, the same on all of today's architectures.
const TICKS_PER_SECOND: u64 = 100;

/// Whose costs are counted; this process is the third.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    /// One, or the nodes of a cluster.
    pub(super) gateways: Vec<u32>,
    /// Counts with all its children, the ended ones too.
    pub(super) postmaster: u32,
}

/// Processor time so far, user and system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) gateway: Duration,
    pub(super) postgres: Duration,
    pub(super) load: Duration,
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            gateway: self.gateway.saturating_sub(before.gateway),
            postgres: self.postgres.saturating_sub(before.postgres),
            load: self.load.saturating_sub(before.load),
        }
    }
}

impl Processes {
    pub(super) fn used(&self) -> io::Result<Used> {
        let postmaster = stat(self.postmaster)?;
        let children: u64 = stats()
            .filter(|process| process.parent == self.postmaster)
            .map(|process| process.own_ticks)
            .sum();
        let mut gateways = 0;
        for pid in &self.gateways {
            gateways += stat(*pid)?.own_ticks;
        }
        Ok(Used {
            gateway: time(gateways),
            postgres: time(postmaster.own_ticks + postmaster.ended_ticks + children),
            load: time(stat(std::process::id())?.own_ticks),
        })
    }
}

/// Processor time of a process and of all that it has started, ended ones included.
pub(super) fn tree(pid: u32) -> io::Result<Duration> {
    let all: Vec<(u32, Stat)> = stats_with_ids().collect();
    let mut family = vec![pid];
    let mut ticks = 0;
    while let Some(member) = family.pop() {
        let own = all.iter().find(|(id, _)| *id == member);
        ticks += own.map_or(0, |(_, stat)| stat.own_ticks + stat.ended_ticks);
        let children = all.iter().filter(|(_, stat)| stat.parent == member);
        family.extend(children.map(|(id, _)| *id));
    }
    Ok(time(ticks))
}

/// Memory of a process that is resident, in bytes.
///
/// # Errors
/// Where there is no such process, or the system is not Linux.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    memory(pid, "VmRSS:")
}

/// The most memory that was ever resident, or since [`forget_peak`], in bytes.
///
/// # Errors
/// Where there is no such process, or the system is not Linux.
pub fn peak_bytes(pid: u32) -> io::Result<u64> {
    memory(pid, "VmHWM:")
}

/// Lets the peak begin anew.
///
/// # Errors
/// Where the process is not ours, or the system is not Linux.
pub fn forget_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Files and sockets that a process has open.
///
/// # Errors
/// Where the process is not ours, or the system is not Linux.
pub fn open_files(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn memory(pid: u32, name: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kibibytes.ok_or(io::ErrorKind::InvalidData)? * 1024)
}

struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that ended and were waited for.
    ended_ticks: u64,
}

fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn stats() -> impl Iterator<Item = Stat> {
    stats_with_ids().map(|(_, stat)| stat)
}

fn stats_with_ids() -> impl Iterator<Item = (u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    // A process may end while its line is read.
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, stat(pid).ok()?))
    })
}

fn parse(text: &str) -> Option<Stat> {
    const PARENT: usize = 1;
    const USER_TICKS: usize = 11;
    // The name before it may hold anything, brackets too.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: fields.get(PARENT)?.parse().ok()?,
        own_ticks: ticks(USER_TICKS)? + ticks(USER_TICKS + 1)?,
        ended_ticks: ticks(USER_TICKS + 2)? + ticks(USER_TICKS + 3)?,
    })
}

fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_past_any_name() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 0 0 11 22 33 44 20 0 1 0 5";
        let stat = parse(line).expect("a whole line");
        assert_eq!((stat.parent, stat.own_ticks, stat.ended_ticks), (3, 33, 77));
    }
}
