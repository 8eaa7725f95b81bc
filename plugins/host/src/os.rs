//! The few calls to the operating system that the standard library lacks.
#![expect(
    unsafe_code,
    reason = "libc calls with plain numbers; no pointer outlives its call"
)]

use std::time::Duration;

/// Processor time of the calling thread so far. Costs a system call.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer, and is only written to.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if outcome != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Lets other threads go first. On Linux this holds for the calling thread alone.
pub(crate) fn lower_thread_priority() {
    // SAFETY: takes numbers only; a refusal leaves the priority as it was.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) };
}

/// Bounds this process: `SIGXCPU` after `cpu_time`, failed allocations beyond
/// `memory_bytes` of address space, and no file left by a crash.
pub(crate) fn limit_this_process(cpu_time: Duration, memory_bytes: u64) -> std::io::Result<()> {
    let seconds = cpu_time.as_secs().max(1);
    // One more second for the hard limit, so that the signal tells what happened.
    set_limit(libc::RLIMIT_CPU, seconds, seconds + 1)?;
    set_limit(libc::RLIMIT_AS, memory_bytes, memory_bytes)?;
    set_limit(libc::RLIMIT_CORE, 0, 0)
}

fn set_limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> std::io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` is valid for the call, and is only read.
    match unsafe { libc::setrlimit(resource, &raw const limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Kills this process when the thread that started it ends.
pub(crate) fn die_with_parent() {
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

pub(crate) fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

/// Takes the network from this process, where the system lets it. Works only before
/// a second thread is started.
pub(crate) fn leave_network() -> std::io::Result<()> {
    // SAFETY: takes numbers only; a refusal leaves everything as it was.
    match unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Kills a child's whole process group.
pub(crate) fn kill_group(leader: &std::process::Child) {
    if let Ok(group) = libc::pid_t::try_from(leader.id()) {
        // SAFETY: takes numbers only. The child is not waited for yet, so its number
        // is still its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}
