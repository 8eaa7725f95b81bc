//! The list of all that is inside of the gateway: CycloneDX, by cargo-cyclonedx, from the lock file.
//!
//! Fetched once where it is missing. What it wrote is looked at before it is called done: a list
//! without the engine of plugins in it would be none.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use crate::shell::{Failed, cargo, root, run, step, target_dir, works};

/// Names that are inside of every gateway.
const INSIDE: [&str; 4] = ["wasmtime", "rustls", "sqlx", "hyper"];
const SPEC: &str = "1.5";
/// What the tool calls its file, beside each package's manifest.
const NAME: &str = "hookgate.cdx.json";

/// Writes it to the first of `args`, else into the target folder.
pub(crate) fn write(args: &[String]) -> Result<(), Failed> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("cargo xtask sbom [FILE]: writes FILE, or TARGET/{NAME}");
        return Ok(());
    }
    if !works(Command::new("cargo").args(["cyclonedx", "--version"])) {
        step("installing cargo-cyclonedx, once: a few minutes");
        run(&mut cargo(&[
            "install",
            "--quiet",
            "--locked",
            "cargo-cyclonedx",
        ]))?;
    }
    step("what is inside of the gateway");
    let manifest = root().join("gateway/Cargo.toml");
    let mut list = cargo(&["cyclonedx", "--format", "json", "--spec-version", SPEC]);
    list.args(["--no-build-deps", "--override-filename", "hookgate.cdx"]);
    run(list.arg("--manifest-path").arg(&manifest))?;
    let written = root().join("gateway").join(NAME);
    let text = fs::read_to_string(&written)
        .map_err(|error| Failed::because(format!("{}: {error}", written.display())))?;
    for folder in ["gateway", "plugins", "tests"] {
        tidy(&root().join(folder))?;
    }
    let missing: Vec<&str> = INSIDE
        .into_iter()
        .filter(|name| !text.contains(&format!("\"name\": \"{name}\"")))
        .collect();
    if !text.contains(&format!("\"specVersion\": \"{SPEC}\"")) || !missing.is_empty() {
        let what = format!("the list is no CycloneDX {SPEC} of a gateway; missing: {missing:?}");
        return Err(Failed::because(what));
    }
    let file = match args.first() {
        Some(file) => env::current_dir()
            .map_err(|error| Failed::because(error.to_string()))?
            .join(file),
        None => target_dir().join(NAME),
    };
    fs::write(&file, &text)
        .map_err(|error| Failed::because(format!("{}: {error}", file.display())))?;
    let count = text.matches("\"purl\": ").count();
    step(&format!("{count} components: {}", file.display()));
    Ok(())
}

/// The tool leaves a file beside every member of the workspace.
fn tidy(folder: &Path) -> Result<(), Failed> {
    let failed = |error| Failed::because(format!("{}: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            tidy(&path)?;
        } else if path.ends_with(NAME) {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}
