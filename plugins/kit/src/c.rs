//! C, by clang, without a libc.
//!
//! The SDK's header speaks the canonical ABI itself, so the module needs nothing but its
//! description added here. Every `.c` file beside the source is compiled with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, Packages};
use crate::tools::on_path;
use crate::{BuildError, Component, Options, Project, contract, rust};

const TARGET: &str = "--target=wasm32-unknown-unknown";

/// For clang: code for a machine without an operating system, with the wasm features that
/// Hookgate allows and C can use. Of headers there are the compiler's own, such as `stdint.h`.
const COMPILE: [&str; 9] = [
    TARGET,
    "-std=c11",
    "-Os",
    "-c",
    "-ffreestanding",
    "-nostdlibinc",
    "-mbulk-memory",
    "-Wall",
    "-Wextra",
];

/// For the linker: the stack first, so that running over it traps instead of overwriting data.
const LINK: [&str; 5] = [
    "--no-entry",
    "--strip-all",
    "--gc-sections",
    "--stack-first",
    "-zstack-size=131072",
];

/// Newest first; plain names are whatever the system prefers.
const SUFFIXES: [&str; 12] = [
    "", "-23", "-22", "-21", "-20", "-19", "-18", "-17", "-16", "-15", "-14", "-13",
];

pub(crate) const DEBIAN: Packages = Packages {
    tool: "a C compiler for wasm (clang and lld)",
    prefix: "clang-",
    wanted: &["clang", "lld"],
    programs: &["clang", "wasm-ld"],
    megabytes: (40, 220),
    cure: "apt-get install clang lld",
};

/// A compiler and a linker that know wasm.
struct Compiler {
    clang: PathBuf,
    /// With the arguments that make it link wasm.
    linker: (PathBuf, &'static [&'static str]),
}

pub(crate) fn compile(project: &Project, options: &Options) -> Result<Vec<u8>, BuildError> {
    let compiler = Compiler::find(project, options)?;
    (options.progress)(&format!(
        "building {} with {}",
        project.name,
        compiler.clang.display()
    ));
    let scratch =
        tempfile::tempdir().map_err(BuildError::io("create a folder in", &std::env::temp_dir()))?;
    let mut objects = Vec::new();
    for source in sources(project)? {
        let object = scratch.path().join(format!("{}.o", objects.len()));
        compiler.compile(project, &source, &object)?;
        objects.push(object);
    }
    let module = scratch.path().join("module.wasm");
    compiler.link(project, &objects, &module)?;
    let mut module = std::fs::read(&module).map_err(BuildError::io("read", &module))?;
    contract::describe(&mut module, &project.exports)
        .and_then(|()| Component::encoded(&module, None))
        .map_err(|reason| BuildError::Toolchain {
            name: project.name.clone(),
            reason: missing_macro(reason),
        })
}

/// The entry and its neighbours, in the order of their names.
fn sources(project: &Project) -> Result<Vec<PathBuf>, BuildError> {
    let folder = project.source.parent().expect("a file stands in a folder");
    let entries = std::fs::read_dir(folder).map_err(BuildError::io("read", folder))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "c"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// What the encoder misses is what the author forgot.
fn missing_macro(reason: String) -> String {
    let missing = crate::Export::ALL.into_iter().find(|export| {
        reason.contains("failed to find export") && reason.contains(&format!("/{export}@"))
    });
    match missing {
        Some(export) => format!(
            "plugin.toml says that it exports {export}, and the source has no HOOKGATE_{}(your_function)",
            export.name().to_uppercase()
        ),
        None => reason,
    }
}

/// Whether compiler and linker are on `PATH`.
pub(crate) fn is_installed() -> bool {
    clang().is_some() && of_any_version("wasm-ld").is_some()
}

/// Apple's, for one, has no wasm.
fn clang() -> Option<PathBuf> {
    of_any_version("clang").filter(|clang| knows_wasm(clang))
}

fn of_any_version(name: &str) -> Option<PathBuf> {
    SUFFIXES
        .iter()
        .find_map(|suffix| on_path(&format!("{name}{suffix}")))
}

impl Compiler {
    fn find(project: &Project, options: &Options) -> Result<Self, BuildError> {
        let (clang, linker) = (clang(), of_any_version("wasm-ld"));
        let from_rust = || rust::rust_lld(&project.dir).ok().flatten();
        if let Some(clang) = clang {
            if let Some(linker) = linker {
                return Ok(Self {
                    clang,
                    linker: (linker, &[]),
                });
            }
            if let Some(linker) = from_rust() {
                return Ok(Self {
                    clang,
                    linker: (linker, &["-flavor", "wasm"]),
                });
            }
        }
        if !debian::is_here() {
            return Err(BuildError::MissingTool {
                tool: DEBIAN.tool.into(),
                cure: "brew install llvm lld, or your system's packages clang and lld".into(),
            });
        }
        let root = debian::unpacked(&DEBIAN, options)?;
        Ok(Self {
            clang: root.join("clang"),
            linker: (root.join("wasm-ld"), &[]),
        })
    }

    fn compile(&self, project: &Project, source: &Path, object: &Path) -> Result<(), BuildError> {
        let mut clang = Command::new(&self.clang);
        clang
            .args(COMPILE)
            .arg(format!("-ffile-prefix-map={}=.", project.dir.display()))
            .arg("-o")
            .arg(object)
            .arg(source)
            .current_dir(&project.dir);
        shown(clang, project)
    }

    fn link(
        &self,
        project: &Project,
        objects: &[PathBuf],
        module: &Path,
    ) -> Result<(), BuildError> {
        let (linker, first) = &self.linker;
        let mut link = Command::new(linker);
        link.args(*first)
            .args(LINK)
            .arg("-o")
            .arg(module)
            .args(objects);
        shown(link, project)
    }
}

/// Its messages are about the author's source: they go to the terminal as they are.
fn shown(mut command: Command, project: &Project) -> Result<(), BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(BuildError::run(&program))?;
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Compile {
        name: project.name.clone(),
    })
}

fn knows_wasm(clang: &Path) -> bool {
    Command::new(clang)
        .args([TARGET, "-c", "-x", "c", "/dev/null", "-o", "/dev/null"])
        .output()
        .is_ok_and(|it| it.status.success())
}
