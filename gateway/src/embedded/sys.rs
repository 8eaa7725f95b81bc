//! The few system calls that std lacks, each behind a safe function.
//!
//! Everything unsafe of the embedded cluster is in this file and nowhere else.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What Postgres understands as a request to stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum StopSignal {
    /// Ends sessions, writes a checkpoint, exits.
    Fast,
    /// Exits at once; the next start recovers from the log.
    Immediate,
    /// The kernel ends it.
    Kill,
}

impl StopSignal {
    const fn number(self) -> libc::c_int {
        match self {
            Self::Fast => libc::SIGINT,
            Self::Immediate => libc::SIGQUIT,
            Self::Kill => libc::SIGKILL,
        }
    }
}

pub(super) fn send(pid: u32, signal: StopSignal) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    #[expect(
        unsafe_code,
        reason = "kill(2) takes two numbers and touches no memory of ours"
    )]
    let result = unsafe { libc::kill(pid, signal.number()) };
    check(result)
}

/// The child stops (fast) when the thread that started it ends, however it ends.
pub(super) fn stop_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let prepare = move || {
        #[expect(
            unsafe_code,
            reason = "prctl(2) and getppid(2) are async-signal-safe and touch no memory"
        )]
        let (result, actual_parent) = unsafe {
            (
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT),
                libc::getppid(),
            )
        };
        check(result)?;
        // The parent may have died between the fork and the call above.
        if i64::from(actual_parent) == i64::from(parent) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    };
    #[expect(
        unsafe_code,
        reason = "the closure allocates nothing and makes async-signal-safe calls only"
    )]
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Ctrl-C, a closed terminal and a service manager's SIGTERM leave this process alone.
pub(super) fn ignore_stop_signals() {
    for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGTERM] {
        #[expect(unsafe_code, reason = "sets a disposition to SIG_IGN; no handler runs")]
        let _previous = unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

#[must_use]
pub(super) fn effective_uid() -> u32 {
    #[expect(unsafe_code, reason = "geteuid(2) takes nothing and cannot fail")]
    unsafe {
        libc::geteuid()
    }
}

/// Bytes that an unprivileged process may still write to the file system of `path`.
///
/// # Errors
/// Where `path` does not exist or cannot be read.
pub fn free_disk_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    #[expect(
        unsafe_code,
        reason = "statvfs(3) fills the structure that we own; zeroes are a valid value of it"
    )]
    let stat = unsafe {
        check(libc::statvfs(path.as_ptr(), stat.as_mut_ptr()))?;
        stat.assume_init()
    };
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Files and sockets that this process may have open at once.
///
/// # Errors
/// Where the kernel refuses to tell.
pub fn max_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    #[expect(unsafe_code, reason = "getrlimit(2) fills the structure that we own")]
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    check(result)?;
    Ok(limit.rlim_cur)
}

/// Everything written to the file system of `path` is on disk when this returns: one call where
/// syncing each of a thousand files takes seconds.
pub(super) fn sync_file_system(path: &Path) -> io::Result<()> {
    let folder = File::open(path)?;
    #[expect(
        unsafe_code,
        reason = "syncfs(2) on a descriptor that is open for the whole call"
    )]
    let result = unsafe { libc::syncfs(folder.as_raw_fd()) };
    check(result)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
