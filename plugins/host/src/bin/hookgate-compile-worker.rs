//! The compile worker as a program of its own, for tests of the host. The gateway's
//! binary brings its own, as a hidden subcommand.

fn main() -> std::process::ExitCode {
    hookgate_plugin_host::compile_worker_main()
}
