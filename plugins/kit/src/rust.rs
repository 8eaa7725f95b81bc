//! Rust: the active toolchain where it has the wasm target, else Debian's.

mod cargo;
pub(crate) mod toolchain;

pub(crate) use toolchain::rust_lld;

use crate::{BuildError, Component, Options, Project};

pub(crate) fn compile(project: &Project, options: &Options) -> Result<Vec<u8>, BuildError> {
    let package = cargo::Package::read(project)?;
    let toolchain = toolchain::find(&project.dir, options)?;
    (options.progress)(&format!(
        "building {} with {}",
        project.name,
        toolchain.description()
    ));
    let module = cargo::compile(&package, &toolchain, options)?;
    Ok(Component::from_module(&module)?.into_bytes())
}
