//! What the data folder says about its server: the lines of `postmaster.pid`.
//!
//! The file outlives a killed server, so a process counts only when it works in that very folder.

use std::fs;
use std::path::Path;

/// A living server of one data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postmaster {
    pub pid: u32,
    pub is_ready: bool,
}

impl Postmaster {
    /// The server that runs on `data` now.
    #[must_use]
    pub fn running(data: &Path) -> Option<Self> {
        let postmaster = Self::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)?;
        let works_in = fs::read_link(format!("/proc/{}/cwd", postmaster.pid)).ok()?;
        (works_in == data).then_some(postmaster)
    }

    fn parse(file: &str) -> Option<Self> {
        const STATUS_LINE: usize = 7;
        let pid = file.lines().next()?.trim().parse().ok()?;
        let is_ready = file
            .lines()
            .nth(STATUS_LINE)
            .is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, is_ready })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_when_its_file_says_so() {
        let starting = "4711\n/data\n1700000000\n5432\n/run\n\n  123 456\nstarting\n";
        let ready = starting.replace("starting", "ready   ");
        assert_eq!(
            Postmaster::parse(starting),
            Some(Postmaster {
                pid: 4711,
                is_ready: false
            })
        );
        assert_eq!(
            Postmaster::parse(&ready),
            Some(Postmaster {
                pid: 4711,
                is_ready: true
            })
        );
        assert_eq!(
            Postmaster::parse("4711\n"),
            Some(Postmaster {
                pid: 4711,
                is_ready: false
            })
        );
        assert_eq!(Postmaster::parse(""), None);
    }

    #[test]
    fn a_file_left_by_a_dead_server_is_no_server() {
        let data = tempfile::tempdir().unwrap();
        fs::write(
            data.path().join("postmaster.pid"),
            format!("{}\n", std::process::id()),
        )
        .unwrap();
        assert_eq!(Postmaster::running(data.path()), None);
    }
}
