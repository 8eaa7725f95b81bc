//! `hookgate serve`: the gateway in the foreground, until a signal ends it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use crate::app::{Gateway, Machine};
use crate::config::{Environment, Flags, Settings};
use crate::telemetry::logging;

#[derive(Debug, Args)]
#[command(
    after_help = "Without DATABASE_URL, Hookgate keeps a private Postgres in its data folder. \
The first start makes an admin key and prints it once; it stays in the data folder.\n\n\
Stop with Ctrl-C or SIGTERM: requests are refused, what is in flight is finished, then it ends, within \
25 seconds. Once more ends at once. HOOKGATE_DRAIN_DELAY lets a balancer see that it is not ready any more first."
)]
pub struct ServeArgs {
    #[command(flatten)]
    flags: Flags,
    /// Print the settings and where each comes from, and end
    #[arg(long)]
    print_config: bool,
}

impl ServeArgs {
    /// Threads for the runtime, where the settings name a number. Wrong settings are told by
    /// [`run`].
    #[must_use]
    pub fn worker_threads(&self, environment: &Environment) -> Option<usize> {
        let settings = Settings::load(&self.flags, environment).ok()?;
        settings.process.worker_threads.map(Into::into)
    }
}

/// # Errors
/// All wrong settings at once, or the part that could not be started.
pub async fn run(arguments: ServeArgs, machine: &Machine) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&arguments.flags, &machine.environment)?;
    let mut out = std::io::stdout();
    if arguments.print_config {
        write!(out, "{}", settings.in_force)?;
        return Ok(ExitCode::SUCCESS);
    }
    logging::start(&settings.process.log)?;
    let drain_for = settings.server.drain_delay;
    let gateway = Gateway::start(settings, machine).await?;
    gateway.shutdown.listen_for_signals(drain_for)?;
    if gateway.is_new_key {
        writeln!(
            out,
            "admin key, shown only now: {}",
            gateway.admin_key.expose()
        )?;
    }
    writeln!(out, "hookgate listens on http://{}", gateway.address)?;
    out.flush()?;
    gateway.run_until_stopped().await?;
    Ok(ExitCode::SUCCESS)
}
