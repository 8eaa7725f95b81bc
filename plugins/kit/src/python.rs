//! Python, on `CPython`.
//!
//! The build imports the author's module once and keeps the interpreter as it is then, so that
//! an instance starts with everything loaded. Whatever goes wrong in that import is shown as
//! Python tells it, without the frames of the tools around it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::pip::{self, PYTHON};
use crate::tools::last_line;
use crate::{BuildError, Export, Language, Options, Project, contract, template};

/// The module that the component starts from. Its name is no author's.
const ENTRY: &str = "_hookgate_entry";

/// What the SDK's own words in a failed build start with: see its `_component.py`.
const REFUSED: &str = "hookgate refuses: ";
const BROKEN: &str = "hookgate found: ";

pub(crate) fn compile(project: &Project, options: &Options) -> Result<Vec<u8>, BuildError> {
    let python = pip::python()?;
    let tool = pip::fetched(&PYTHON, options)?;
    (options.progress)(&format!("building {} on CPython", project.name));

    let scratch =
        tempfile::tempdir().map_err(BuildError::io("create a folder in", &std::env::temp_dir()))?;
    let wit = scratch.path().join("wit");
    contract::write(&wit, &project.exports)?;
    let own = scratch.path().join("own");
    write_entry(project, &own)?;
    let component = scratch.path().join("component.wasm");
    let output = Command::new(&python)
        .args([
            "-c",
            "import sys, componentize_py; sys.exit(componentize_py.script())",
        ])
        .args(["--quiet", "--world", contract::WORLD, "--wit-path"])
        .arg(&wit)
        .args(["componentize", "--stub-wasi", "--python-path"])
        .arg(source_dir(project))
        .arg("--python-path")
        .arg(&own)
        .args([ENTRY, "--output"])
        .arg(&component)
        .env("PYTHONPATH", &tool)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(&project.dir)
        .stdin(Stdio::null())
        .output()
        .map_err(BuildError::run("python3"))?;
    if output.status.success() {
        return std::fs::read(&component).map_err(BuildError::io("read", &component));
    }
    Err(refusal(project, &String::from_utf8_lossy(&output.stderr)))
}

/// Where Python looks for the author's modules; shown to the author as the folder itself.
fn source_dir(project: &Project) -> &Path {
    project.source.parent().unwrap_or(&project.dir)
}

fn write_entry(project: &Project, dir: &Path) -> Result<(), BuildError> {
    let module = module_name(project)?;
    let exports: Vec<String> = project
        .exports
        .iter()
        .map(|export| format!("{:?}", export.name()))
        .collect();
    let classes: String = project
        .exports
        .iter()
        .map(|export| class(*export))
        .collect();
    let entry = format!(
        "import hookgate._component\n\nhookgate._component.load({module:?}, [{}])\n{classes}",
        exports.join(", ")
    );
    write(dir.join(format!("{ENTRY}.py")), entry.as_bytes())?;
    if !source_dir(project).join("hookgate/__init__.py").is_file() {
        // The kit's own, for projects that bring none.
        for (path, text) in template::sdk_of(Language::Python) {
            write(dir.join(path), text)?;
        }
    }
    Ok(())
}

fn module_name(project: &Project) -> Result<String, BuildError> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let stem = project
        .source
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    if stem.chars().all(is_letter) && !stem.starts_with(|it: char| it.is_ascii_digit()) {
        return Ok(stem);
    }
    Err(BuildError::Toolchain {
        name: project.name.clone(),
        reason: format!("{stem:?} is no name of a Python module: name the file like plugin.py"),
    })
}

fn class(export: Export) -> String {
    let (first, rest) = export.name().split_at(1);
    let class = format!("{}{rest}", first.to_uppercase());
    format!("{class} = hookgate._component.{class}\n")
}

fn write(path: PathBuf, text: &[u8]) -> Result<(), BuildError> {
    let dir = path.parent().expect("a file stands in a folder");
    std::fs::create_dir_all(dir).map_err(BuildError::io("create", dir))?;
    std::fs::write(&path, text).map_err(BuildError::io("write", &path))
}

/// What the author has to know of all that the tool said.
fn refusal(project: &Project, said: &str) -> BuildError {
    let failed = |reason| BuildError::Toolchain {
        name: project.name.clone(),
        reason,
    };
    // What follows is the tool's view of the same, and its own stack.
    let first = said.split("\nCaused by:").next().unwrap_or(said);
    if let Some((_, refused)) = first.split_once(REFUSED) {
        return failed(refused.trim().to_owned());
    }
    if let Some((_, broken)) = first.split_once(BROKEN) {
        // The tool sees the author's folder as the first of its search path.
        eprintln!("{}", broken.trim_end().replace("\"/0/", "\""));
        return BuildError::Compile {
            name: project.name.clone(),
        };
    }
    failed(last_line(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(source: &str) -> Project {
        Project {
            name: "p".into(),
            language: Language::Python,
            exports: vec![Export::Transform],
            source: Path::new("/p").join(source),
            dir: "/p".into(),
            is_shipped: false,
        }
    }

    #[test]
    fn of_a_failed_build_only_the_author_s_part_is_told() {
        let said = "Traceback (most recent call last):\n  File \"/x/y\", line 1\n\
             AssertionError: hookgate refuses: write this\n\n\nCaused by:\n    0: error\n";
        let error = refusal(&project("plugin.py"), said).to_string();
        assert_eq!(error, "p could not be built: write this");
        let said =
            "AssertionError: hookgate found:   File \"/0/plugin.py\", line 1\n\nCaused by:\n  x";
        assert!(matches!(
            refusal(&project("plugin.py"), said),
            BuildError::Compile { .. }
        ));
        let said = "Traceback:\nAssertionError: no such world\n\nCaused by:\n  x";
        let error = refusal(&project("plugin.py"), said).to_string();
        assert_eq!(error, "p could not be built: AssertionError: no such world");
    }

    #[test]
    fn a_file_that_python_can_not_import_is_refused() {
        assert_eq!(
            module_name(&project("src/my_plugin.py")).unwrap(),
            "my_plugin"
        );
        assert!(module_name(&project("my-plugin.py")).is_err());
        assert!(module_name(&project("2.py")).is_err());
    }
}
