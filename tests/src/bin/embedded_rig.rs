//! Stands in for a gateway in the tests of the embedded cluster, so that they can kill it: holds
//! the cluster of a folder until its input ends, and is its own supervisor program.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hookgate::cli::{db, doctor};
use hookgate::config::Environment;
use hookgate::embedded::{
    Account, Durability, Embedded, EmbeddedConfig, Identity, Search, SupervisorArgs,
};

#[derive(Parser)]
enum Rig {
    /// Prints the cluster's URL once it is up, and lets go of it when the input ends.
    Hold {
        data_dir: PathBuf,
        /// Drop root to `nobody` instead of using a namespace.
        #[arg(long)]
        as_nobody: bool,
        #[arg(long)]
        pg_bin: Option<PathBuf>,
    },
    PostgresSupervisor(SupervisorArgs),
    Db(db::DbArgs),
    Doctor(doctor::DoctorArgs),
}

fn main() -> ExitCode {
    match Rig::parse() {
        Rig::PostgresSupervisor(args) => hookgate::embedded::run_supervisor(args),
        Rig::Db(args) => command(async {
            let program = std::env::current_exe().expect("a running program has a path");
            db::run(args, &Environment::new(std::env::vars_os()), program)
                .await
                .unwrap_or_else(|error| {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                })
        }),
        Rig::Doctor(args) => {
            command(async { doctor::run(args, &Environment::new(std::env::vars_os())).await })
        }
        Rig::Hold {
            data_dir,
            as_nobody,
            pg_bin,
        } => hold(EmbeddedConfig {
            data_dir,
            search: Search {
                named: pg_bin,
                path: std::env::var_os("PATH"),
            },
            program: std::env::current_exe().expect("a running program has a path"),
            durability: Durability::Full,
            identity: as_nobody.then_some(Identity::Account(Account {
                uid: 65534,
                gid: 65534,
            })),
        }),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn command(command: impl Future<Output = ExitCode>) -> ExitCode {
    command.await
}

#[tokio::main(flavor = "current_thread")]
async fn hold(config: EmbeddedConfig) -> ExitCode {
    match Embedded::start(config).await {
        Ok(embedded) => {
            println!("{}", embedded.url());
            // An error ends the input as well.
            let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
            let _end = end.await;
            embedded.stop().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
