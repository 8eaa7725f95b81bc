//! `cargo xtask`: the one door for what takes several steps.
//!
//! It depends on nothing but the standard library, so that it is there in a second; what it
//! needs beyond Rust it fetches where it may, and names the exact line to type where not.

mod browser;
mod build;
mod check;
mod postgres;
mod prepare;
mod sbom;
mod shell;

use std::env;
use std::process::ExitCode;

use shell::Failed;

const HELP: &str = "\
cargo xtask demo [--release] [ARGS]    build all, start a gateway and a receiver, and show what happens
cargo xtask serve [--release] [ARGS]   build all and start a gateway on 127.0.0.1:8080
cargo xtask build [--release]          make the one file TARGET/{debug,release}/hookgate, plugins inside
cargo xtask test [--full] [FILTERS]    format, lints, licences and all tests; FILTERS choose tests by name
cargo xtask bench [NAMES] [ARGS]       measure a release build beside its floors: throughput, latency, cost, peers
cargo xtask bench plugins [ARGS]       measure what plugins cost, each figure beside its bound
cargo xtask chaos [--release] [ARGS]   kill gateways and Postgres under load by a seeded plan, check that nothing is lost
cargo xtask chaos soak [ARGS]          hours of load with kills and reloads; what grows is seen
cargo xtask chaos powercut [ARGS]      power cuts under load on a disk that loses what was not synced (root, /dev/fuse)
cargo xtask promises [IDS]             run the tests of promises, write docs/promises.md from what was seen
cargo xtask sbom [FILE]                list all that is inside of the gateway, as CycloneDX JSON
cargo xtask prepare [--check]          write .sqlx anew after a change of SQL or migrations, or compare it

ARGS go on to the command: `cargo xtask demo --help` tells which there are.
--full adds what takes long or needs the internet: the advisory database, plugins in Python and Go,
every journey of the dashboard in a browser, dashboards on a real Prometheus, recipes, reference
libraries, linters. What is missing is said.

The target folder is CARGO_TARGET_DIR, else target/. Plugins compile in guests/ below it.
Fetched when missing, on Debian as root: Postgres (apt), a compiler for wasm (apt, unpacked
into ~/.cache/hookgate), cargo-deny (cargo install), Chromium (apt, and npm for what drives it). Elsewhere the command says what to type.
";

fn main() -> ExitCode {
    let mut args: Vec<String> = env::args().skip(1).collect();
    if args.is_empty() || ["help", "--help", "-h"].contains(&args[0].as_str()) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let command = args.remove(0);
    let result = match command.as_str() {
        "demo" | "serve" => build::start(&command, args),
        "build" => build::all(build::Profile::take(&mut args)).map(drop),
        "test" => check::all(args),
        "bench" => build::bench(&args),
        "chaos" => build::chaos(args),
        "promises" => build::promises(&args),
        "sbom" => sbom::write(&args),
        "prepare" => prepare::query_data(args.iter().any(|arg| arg == "--check")),
        _ => Err(Failed::because(format!(
            "there is no command {command}; try: cargo xtask help"
        ))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("error: {failed}");
            ExitCode::FAILURE
        }
    }
}
