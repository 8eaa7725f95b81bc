//! JavaScript and TypeScript, on `QuickJS`.
//!
//! One run of node bundles the source (which strips types) and makes it a component without
//! any WASI import. Types are only checked where the project brings its own TypeScript: the
//! kit fetches no compiler for what the build itself does not need.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::json;

use crate::tools::{self, JAVASCRIPT, last_line, npm, quiet};
use crate::{BuildError, Options, Project, contract};

const DRIVER: &str = include_str!("javascript/driver.mjs");
const PRELUDE: &str = include_str!("javascript/prelude.js");

/// What the driver answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// About the author's source.
    compile: Option<String>,
    /// Of anything else.
    failed: Option<String>,
    /// The file.
    component: Option<PathBuf>,
    #[serde(default)]
    warnings: String,
}

pub(crate) fn compile(project: &Project, options: &Options) -> Result<Vec<u8>, BuildError> {
    if tools::on_path("node").is_none() {
        return Err(BuildError::MissingTool {
            tool: "Node.js, which runs the JavaScript compiler,".into(),
            cure: "apt-get install nodejs npm, or install Node.js 18 or newer from nodejs.org"
                .into(),
        });
    }
    let tools = npm(&JAVASCRIPT, options)?;
    check_types(project, options)?;
    (options.progress)(&format!("building {} on QuickJS", project.name));

    let scratch =
        tempfile::tempdir().map_err(BuildError::io("create a folder in", &std::env::temp_dir()))?;
    let wit = scratch.path().join("wit");
    contract::write(&wit, &project.exports)?;
    let driver = scratch.path().join("driver.mjs");
    std::fs::write(&driver, DRIVER).map_err(BuildError::io("write", &driver))?;
    let kept = options.target_dir.join("javascript");
    std::fs::create_dir_all(&kept).map_err(BuildError::io("create", &kept))?;
    let task = json!({
        "tools": tools,
        "pinned": JAVASCRIPT.packages,
        "dir": project.dir,
        "source": project.source,
        "exports": project.exports.iter().map(|export| export.name()).collect::<Vec<_>>(),
        "prelude": PRELUDE,
        "wit": wit,
        "world": contract::WORLD,
        "kept": kept,
        "color": std::io::stderr().is_terminal(),
    });
    let output = Command::new("node")
        .arg(&driver)
        .arg(task.to_string())
        .current_dir(&project.dir)
        .stdin(Stdio::null())
        .output()
        .map_err(BuildError::run("node"))?;
    let failed = |reason| BuildError::Toolchain {
        name: project.name.clone(),
        reason,
    };
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(last_line(&String::from_utf8_lossy(&output.stderr))))?;
    eprint!(
        "{}{}",
        answer.warnings,
        answer.compile.as_deref().unwrap_or_default()
    );
    if answer.compile.is_some() {
        return Err(BuildError::Compile {
            name: project.name.clone(),
        });
    }
    match answer.component {
        Some(path) => std::fs::read(&path).map_err(BuildError::io("read", &path)),
        None => Err(failed(answer.failed.unwrap_or_default())),
    }
}

/// By the project's own TypeScript, where `npm install` has brought one.
fn check_types(project: &Project, options: &Options) -> Result<(), BuildError> {
    let compiler = project.dir.join("node_modules/typescript/bin/tsc");
    if !compiler.is_file() || !project.dir.join("tsconfig.json").is_file() {
        return Ok(());
    }
    (options.progress)("checking types with the project's TypeScript");
    let mut tsc = Command::new("node");
    tsc.arg(&compiler)
        .args(["--noEmit", "--project", "."])
        .current_dir(&project.dir);
    quiet(&mut tsc).map_err(|said| {
        eprint!("{said}");
        BuildError::Compile {
            name: project.name.clone(),
        }
    })
}
