//! `hookgate`: reads the arguments and the environment, and starts the command.
//!
//! Nothing else reads the environment. Hidden commands serve the gateway itself: a compiler in a
//! process that may be killed, and the supervisor of the embedded Postgres.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use hookgate::app::Machine;
use hookgate::cli;
use hookgate::config::Environment;
use hookgate::embedded::{SUPERVISOR_COMMAND, SupervisorArgs, run_supervisor};

/// An event and its delivery are a few dozen small allocations, freed on other threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(
    name = "hookgate",
    version,
    about = "A hook gateway that anybody can extend with WebAssembly plugins",
    after_help = "Begin with `hookgate demo`, or with `hookgate serve` and, in a second terminal, `hookgate listen`.",
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway; with a Postgres of its own unless DATABASE_URL is set
    Serve(cli::serve::ServeArgs),
    /// See it work: a gateway, a receiver, three subscriptions and events, on one screen
    Demo(cli::demo::DemoArgs),
    /// Receive deliveries on this machine, verify their signatures and print them
    Listen(cli::listen::ListenArgs),
    /// Send one event, or a stream of them
    Send(cli::send::SendArgs),
    /// Look at events, erase their data
    Events(cli::events::EventsArgs),
    /// Follow events as they come in, on whichever node
    Tail(cli::tail::TailArgs),
    /// Look at deliveries, retry, cancel and verify them
    Deliveries(cli::deliveries::DeliveriesArgs),
    /// Look at subscriptions, change them, replay their events
    Subscriptions(cli::subscriptions::SubscriptionsArgs),
    /// Take in the webhooks of providers: addresses, secrets, what was refused
    Sources(cli::sources::SourcesArgs),
    /// Look at long work: backtests, replays, erasures; watch and cancel it
    Jobs(cli::jobs::JobsArgs),
    /// Make, list and revoke API keys
    Keys(cli::keys::KeysArgs),
    /// Look at who did what
    Audit(cli::audit::AuditArgs),
    /// Build plugins, try them out and bring them to a gateway
    Plugin(cli::plugin::PluginArgs),
    /// Check a gateway against the REST Hooks checklist, row by row
    Conformance(cli::conformance::ConformanceArgs),
    /// What is missing or unsafe on this machine, and how to mend it
    Doctor(cli::doctor::DoctorArgs),
    /// The embedded database
    Db(cli::db::DbArgs),
    /// Write a settings file that explains itself
    Init(cli::init::InitArgs),
    /// Print completions for bash, zsh, fish and other shells
    Completions(cli::completions::CompletionsArgs),
    /// Write the manual pages
    Man(cli::man::ManArgs),
    /// Compile a component from standard input to standard output
    #[command(hide = true)]
    CompileWorker {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
    #[command(hide = true, name = SUPERVISOR_COMMAND)]
    Supervisor(SupervisorArgs),
}

fn main() -> ExitCode {
    // Both hidden commands limit and arrange their process before any thread is started.
    match Arguments::parse().command {
        Command::CompileWorker { .. } => hookgate_plugin_host::compile_worker_main(),
        Command::Supervisor(arguments) => run_supervisor(arguments),
        command => run(command).unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }),
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let machine = Machine {
        environment: Environment::new(std::env::vars_os()),
        program: std::env::current_exe().context("the program's own path is not known")?,
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Command::Serve(arguments) = &command
        && let Some(threads) = arguments.worker_threads(&machine.environment)
    {
        builder.worker_threads(threads);
    }
    let runtime = builder
        .enable_all()
        .build()
        .context("no runtime could be started")?;
    runtime.block_on(dispatch(command, machine))
}

async fn dispatch(command: Command, machine: Machine) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(arguments) => cli::serve::run(arguments, &machine).await,
        Command::Demo(arguments) => cli::demo::run(arguments, &machine).await,
        Command::Listen(arguments) => {
            cli::listen::run(arguments, hookgate::app::system_clock()).await
        }
        Command::Send(arguments) => cli::send::run(arguments).await,
        Command::Events(arguments) => cli::events::run(arguments).await,
        Command::Tail(arguments) => cli::tail::run(arguments).await,
        Command::Deliveries(arguments) => cli::deliveries::run(arguments).await,
        Command::Subscriptions(arguments) => cli::subscriptions::run(arguments).await,
        Command::Sources(arguments) => cli::sources::run(arguments).await,
        Command::Jobs(arguments) => cli::jobs::run(arguments).await,
        Command::Keys(arguments) => cli::keys::run(arguments).await,
        Command::Audit(arguments) => cli::audit::run(arguments).await,
        Command::Plugin(arguments) => cli::plugin::run(arguments, &machine).await,
        Command::Conformance(arguments) => {
            cli::conformance::run(arguments, hookgate::app::system_clock()).await
        }
        Command::Doctor(arguments) => Ok(cli::doctor::run(arguments, &machine.environment).await),
        Command::Db(arguments) => {
            Ok(cli::db::run(arguments, &machine.environment, machine.program).await?)
        }
        Command::Init(arguments) => cli::init::run(&arguments),
        Command::Completions(arguments) => {
            Ok(cli::completions::run(&arguments, Arguments::command())?)
        }
        Command::Man(arguments) => cli::man::run(&arguments, Arguments::command()),
        Command::CompileWorker { .. } | Command::Supervisor(_) => {
            unreachable!("the hidden commands never get a runtime")
        }
    }
}
