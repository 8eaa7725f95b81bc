//! The compile worker: a process that turns one component into machine code and ends.
//!
//! A component may be made to eat the compiler's time and memory, or to crash it. So
//! this process bounds itself first, has no network where the system allows that,
//! and dies with the thread that started it. It reads a component on its standard
//! input and writes machine code on its standard output; it opens no file.

use crate::engine::{Effort, Metering, compiling_config};
use crate::os;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// The component can't be compiled; standard error says why.
pub(crate) const EXIT_INVALID: u8 = 2;
/// The worker was started wrongly or could not do its work.
pub(crate) const EXIT_FAILED: u8 = 3;

/// What the parent tells its worker, as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) metering: Metering,
    pub(crate) effort: Effort,
    pub(crate) cpu_time: Duration,
    pub(crate) memory_bytes: u64,
    pub(crate) parent_id: u32,
}

impl Order {
    pub(crate) fn to_arguments(self) -> [String; 5] {
        let metering = if self.metering == Metering::TimeAndFuel {
            "time-and-fuel"
        } else {
            "time"
        };
        let effort = if self.effort == Effort::Least {
            "least"
        } else {
            "full"
        };
        [
            format!("metering={metering}"),
            format!("effort={effort}"),
            format!("cpu-seconds={}", self.cpu_time.as_secs()),
            format!("memory-bytes={}", self.memory_bytes),
            format!("parent={}", self.parent_id),
        ]
    }

    /// Arguments that are not the parent's (the program's own) are passed over.
    fn from_arguments(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let pairs: Vec<(String, String)> = arguments
            .filter_map(|argument| {
                argument
                    .split_once('=')
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
            })
            .collect();
        let text = |key: &str| {
            pairs
                .iter()
                .find(|(known, _)| known == key)
                .map(|(_, value)| value.as_str())
        };
        Some(Self {
            metering: match text("metering")? {
                "time" => Metering::Time,
                "time-and-fuel" => Metering::TimeAndFuel,
                _ => return None,
            },
            effort: match text("effort")? {
                "full" => Effort::Full,
                "least" => Effort::Least,
                _ => return None,
            },
            cpu_time: Duration::from_secs(number(text("cpu-seconds"))?),
            memory_bytes: number(text("memory-bytes"))?,
            parent_id: number(text("parent"))?,
        })
    }
}

fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

/// What the program given as [`crate::CompileWorker`] runs, and all it runs. Call it
/// before any thread is started.
pub fn compile_worker_main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Invalid(message)) => fail(EXIT_INVALID, &message),
        Err(Failure::Broken(message)) => fail(EXIT_FAILED, &message),
    }
}

enum Failure {
    Invalid(String),
    Broken(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nobody may be listening any more, which changes nothing.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}

fn work() -> Result<(), Failure> {
    let order = Order::from_arguments(std::env::args().skip(1)).ok_or_else(|| {
        Failure::Broken("the compile worker is started by Hookgate, not by hand".to_owned())
    })?;
    os::die_with_parent();
    if os::parent_id() != order.parent_id {
        return Err(Failure::Broken("the parent is gone".to_owned()));
    }
    os::limit_this_process(order.cpu_time, order.memory_bytes)?;
    if let Err(error) = os::leave_network() {
        // Told, not fatal: in many containers a process may not make a namespace.
        writeln!(io::stderr(), "{NETWORK_NOTE}: {error}")?;
    }
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component)?;
    let artefact =
        compile(order, &component).map_err(|error| Failure::Invalid(format!("{error:#}")))?;
    let mut output = io::stdout().lock();
    output.write_all(&artefact)?;
    output.flush()?;
    Ok(())
}

/// How a worker that kept the network begins its standard error.
pub(crate) const NETWORK_NOTE: &str = "note: the network could not be left";

fn compile(order: Order, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let engine = wasmtime::Engine::new(&compiling_config(order.metering, order.effort))?;
    engine.precompile_component(component)
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::engine::{Effort, Metering};
    use std::time::Duration;

    #[test]
    fn an_order_survives_its_arguments() {
        let order = Order {
            metering: Metering::TimeAndFuel,
            effort: Effort::Least,
            cpu_time: Duration::from_secs(20),
            memory_bytes: 2 << 30,
            parent_id: 7,
        };
        let arguments = ["compile-worker".to_owned()]
            .into_iter()
            .chain(order.to_arguments());
        assert_eq!(Order::from_arguments(arguments), Some(order));
        assert_eq!(
            Order::from_arguments(["effort=full".to_owned()].into_iter()),
            None
        );
    }
}
