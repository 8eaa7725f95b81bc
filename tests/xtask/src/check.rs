//! All checks, cheap ones first; the tests last, so that their closing line is the last word.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{Failed, cargo, npm_install, run, step, target_dir, works};
use crate::{browser, build, postgres};

/// `args` are filters for the tests; `--full` adds what takes long or needs the internet.
pub(crate) fn all(mut args: Vec<String>) -> Result<(), Failed> {
    let before = args.len();
    args.retain(|arg| arg != "--full");
    let is_full = args.len() < before;

    step("format");
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    postgres::ensure()?;
    let plugins = build::plugins()?;
    step("lints");
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run(cargo(&clippy).env("HOOKGATE_SHIPPED_PLUGINS", &plugins))?;
    step("licences, bans, sources");
    deny(is_full)?;
    step("the gateway that the tests start");
    let mut gateway = cargo(&["build", "--locked", "--package", "hookgate"]);
    run(gateway.env("HOOKGATE_SHIPPED_PLUGINS", &plugins))?;
    step("tests");
    let mut test = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    if let Some(payloads) = payloads() {
        test.env("HOOKGATE_GITHUB_PAYLOADS", payloads);
    }
    if let Some(browser) = browser::ensure() {
        test.env("HOOKGATE_BROWSER", browser);
    }
    if is_full {
        test.env("HOOKGATE_FULL", "1");
        // Told by the test itself where it cannot be mounted.
        if let Ok(disk) = build::lossy_disk() {
            test.env(build::DISK, disk);
        }
    }
    run(test.args(&args).env("HOOKGATE_SHIPPED_PLUGINS", &plugins))
}

/// Real payloads of GitHub, from npm; the test that wants them says so where there are none.
fn payloads() -> Option<PathBuf> {
    const PACKAGE: &str = "@octokit/webhooks-examples@7.6.1";
    let folder = target_dir().join("payloads");
    let found = folder.join("node_modules/@octokit/webhooks-examples/api.github.com");
    if !found.is_dir() {
        step("real payloads, from npm");
        std::fs::create_dir_all(&folder).ok()?;
        if npm_install(&folder, &[PACKAGE]).is_err() {
            step("no npm, no real payloads: their test is left out");
            return None;
        }
    }
    found.is_dir().then_some(found)
}

/// The advisory database lives on the internet and changes without us: only in full runs,
/// and a database out of reach is told, not a failure.
fn deny(is_full: bool) -> Result<(), Failed> {
    if !works(Command::new("cargo").args(["deny", "--version"])) {
        step("installing cargo-deny, once: a few minutes");
        // Without its own HTTP client: it fetches advisories by git all the same.
        let lean = [
            "install",
            "--quiet",
            "--locked",
            "--no-default-features",
            "cargo-deny",
        ];
        run(&mut cargo(&lean))?;
    }
    let config = [
        "deny",
        "--log-level",
        "error",
        "--config",
        ".config/deny.toml",
    ];
    let check = ["check", "--hide-inclusion-graph"];
    run(cargo(&config)
        .args(check)
        .args(["bans", "licenses", "sources"]))?;
    if !is_full {
        return Ok(());
    }
    if !works(cargo(&config).args(["fetch", "db"])) {
        step("the advisory database is out of reach: advisories unchecked");
        return Ok(());
    }
    run(cargo(&config).args(check).arg("advisories"))
}
