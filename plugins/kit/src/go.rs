//! Go: not here yet.

use crate::{BuildError, Options, Project};

pub(crate) fn compile(project: &Project, _options: &Options) -> Result<Vec<u8>, BuildError> {
    Err(BuildError::Toolchain {
        name: project.name.clone(),
        reason: "this version of the kit does not compile Go".into(),
    })
}
