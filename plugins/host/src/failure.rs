//! Turns what wasmtime reports into what an author can act on.

use crate::deadline::OutOfTime;
use crate::instance::Guest;
use crate::report::CallFailure;
use crate::text::printable;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// Frames of a crash that are told to the author.
const MAX_FRAMES: usize = 4;

/// What an error of wasmtime means to an author.
pub(crate) fn failure_of(error: &wasmtime::Error, guest: &mut Guest) -> CallFailure {
    let was_denied = guest.meter.take_was_denied();
    if error.is::<PoolConcurrencyLimitError>() {
        return CallFailure::Overloaded;
    }
    if error.is::<OutOfTime>() {
        return CallFailure::TimedOut {
            limit: guest.deadline.limit,
        };
    }
    if was_denied {
        return CallFailure::MemoryLimit {
            max_bytes: guest.meter.max_memory_bytes(),
        };
    }
    // The error's type is not public.
    if error
        .root_cause()
        .to_string()
        .contains("fuel allocated for hostcalls")
    {
        return CallFailure::OutputTooLarge {
            max_bytes: guest.surroundings.limits.max_hostcall_bytes,
        };
    }
    let cause = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it panicked (`unreachable` was executed)".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let told = format!("{cause}{}", frames_of(error));
    CallFailure::Trap(printable(&told, guest.surroundings.limits.max_reason_bytes).0)
}

fn frames_of(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names: Vec<&str> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name())
        .take(MAX_FRAMES)
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" in {}", names.join(" < "))
    }
}
