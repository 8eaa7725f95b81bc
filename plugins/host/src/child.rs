//! One run of the compile worker, seen from the parent: start, feed, wait, kill.

use crate::check::{Fault, Refusal};
use crate::compile::CompileWorker;
use crate::load::TrustedArtefact;
use crate::os;
use crate::text::printable;
use crate::worker::{EXIT_FAILED, EXIT_INVALID, NETWORK_NOTE, Order};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tracing::debug;

/// Of what the worker says on standard error.
const MAX_MESSAGE_BYTES: u64 = 4096;
const POLL: Duration = Duration::from_millis(2);

/// How a Rust program ends that panicked.
const EXIT_PANICKED: u8 = 101;

/// Bounds of one run that the parent enforces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChildLimits {
    pub(crate) wall_time: Duration,
    pub(crate) max_artefact_bytes: usize,
}

/// Runs `worker` on `component`. Call it on a thread that outlives the run: the
/// worker dies with the thread that started it.
pub(crate) fn compile(
    worker: &CompileWorker,
    order: Order,
    component: &[u8],
    limits: ChildLimits,
) -> Result<TrustedArtefact, Fault> {
    let ends_at = Instant::now() + limits.wall_time;
    let folder = tempfile::tempdir().map_err(|error| unavailable(&error))?;
    let mut child = Command::new(&worker.program)
        .args(&worker.arguments)
        .args(order.to_arguments())
        .env_clear()
        .current_dir(folder.path())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| unavailable(&error))?;
    let outcome = converse(&mut child, component, limits.max_artefact_bytes, ends_at);
    os::kill_group(&child);
    let status = child.wait().map_err(|error| unavailable(&error))?;
    let answer = outcome?;
    if answer.artefact.len() > limits.max_artefact_bytes {
        let (actual, max) = (answer.artefact.len(), limits.max_artefact_bytes);
        return Err(Fault::new(
            Refusal::ArtefactTooLarge,
            format!("the machine code has {actual} bytes or more, {max} are allowed"),
            "build for size, and leave out what the plugin does not need",
        ));
    }
    verdict_on(answer.status.unwrap_or(status), answer, limits.wall_time)
}

struct Answer {
    artefact: Vec<u8>,
    message: String,
    /// None where the wall clock ran out first.
    status: Option<ExitStatus>,
}

/// Feeds the child and reads it, each on a thread of its own, until it ends or its
/// time does.
fn converse(
    child: &mut Child,
    component: &[u8],
    max_bytes: usize,
    ends_at: Instant,
) -> Result<Answer, Fault> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(unavailable(&io::Error::other("no pipes")));
    };
    thread::scope(|scope| {
        // A child that dies early makes this fail; its status tells more.
        scope.spawn(move || drop(stdin.write_all(component)));
        let message = scope.spawn(move || read(stderr, MAX_MESSAGE_BYTES));
        let (done, is_done) = mpsc::channel();
        let artefact = scope.spawn(move || {
            let content = read(stdout, max_bytes as u64 + 1);
            // The receiver is gone when time is over.
            let _ = done.send(content.len() > max_bytes);
            content
        });
        let is_too_large = is_done.recv_timeout(ends_at.saturating_duration_since(Instant::now()));
        let status = match is_too_large {
            Ok(false) => wait_until(child, ends_at),
            _ => None,
        };
        // Ends the readers too: nobody else holds the pipes.
        os::kill_group(child);
        let artefact = artefact.join().unwrap_or_default();
        let message = message.join().unwrap_or_default();
        Ok(Answer {
            artefact,
            message: String::from_utf8_lossy(&message).into_owned(),
            status,
        })
    })
}

fn read(source: impl Read, max_bytes: u64) -> Vec<u8> {
    let mut content = Vec::new();
    // What was read until an error is told all the same.
    let _ = source.take(max_bytes).read_to_end(&mut content);
    content
}

/// The child has closed its output, so this is short.
fn wait_until(child: &mut Child, ends_at: Instant) -> Option<ExitStatus> {
    while Instant::now() < ends_at {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => thread::sleep(POLL),
            Err(_) => return None,
        }
    }
    None
}

fn verdict_on(
    status: ExitStatus,
    answer: Answer,
    wall_time: Duration,
) -> Result<TrustedArtefact, Fault> {
    if answer.message.starts_with(NETWORK_NOTE) {
        debug!("the compile worker could not leave the network");
    }
    let message = answer
        .message
        .lines()
        .filter(|line| !line.starts_with(NETWORK_NOTE))
        .collect::<Vec<_>>();
    let message = printable(&message.join("; "), 1024).0;
    if answer.status.is_none() {
        return Err(timeout(&format!("{} s", wall_time.as_secs())));
    }
    match (status.code().map(u8::try_from), status.signal()) {
        (Some(Ok(0)), _) => Ok(TrustedArtefact(answer.artefact)),
        (Some(Ok(EXIT_INVALID)), _) if is_about_memory(&message) => Err(memory()),
        (Some(Ok(EXIT_INVALID)), _) => Err(Fault::new(
            Refusal::CompileInvalid,
            format!("the component does not compile: {message}"),
            "build it for plain WebAssembly: no threads, no 64-bit memory, no garbage-collected types",
        )),
        (Some(Ok(EXIT_FAILED)), _) => Err(unavailable(&io::Error::other(message))),
        (_, Some(libc::SIGXCPU)) => Err(timeout("its share of processor time")),
        (Some(Ok(EXIT_PANICKED)), _) | (_, Some(libc::SIGABRT)) if is_about_memory(&message) => {
            Err(memory())
        }
        (_, Some(signal)) => Err(crash(&format!("signal {signal}; {message}"))),
        (code, None) => Err(crash(&format!("exit code {code:?}; {message}"))),
    }
}

/// What Rust, the compiler and the system say when there is no more.
fn is_about_memory(message: &str) -> bool {
    [
        "memory allocation of",
        "out of memory",
        "Cannot allocate memory",
    ]
    .iter()
    .any(|words| message.contains(words))
}

pub(crate) fn timeout(what: &str) -> Fault {
    Fault::new(
        Refusal::CompileTimeout,
        format!("compiling took more than {what}"),
        "split the largest functions, and build for size",
    )
}

fn memory() -> Fault {
    Fault::new(
        Refusal::CompileMemory,
        "compiling took more memory than it may",
        "split the largest functions, and build for size",
    )
}

fn crash(how: &str) -> Fault {
    Fault::new(
        Refusal::CompileCrash,
        format!("the compiler crashed on this component ({how})"),
        "build it with another version of its toolchain, and tell Hookgate's developers",
    )
}

fn unavailable(error: &io::Error) -> Fault {
    Fault::new(
        Refusal::Unavailable,
        format!("the compile worker could not be run: {error}"),
        "look at the gateway's log, then upload again",
    )
}
