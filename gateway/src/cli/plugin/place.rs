//! What a command works on: a project's folder, which is built first, or a component's file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use hookgate_plugin_kit::{Built, Options, Project, ProjectError};

use super::progress::step;

/// A project's folder or a component's file, as an argument.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PlaceArgs {
    /// A project's folder, which is built first, or a component's file
    #[arg(value_name = "PLUGIN", default_value = ".")]
    pub(super) place: PathBuf,
}

/// A component with what is known of where it came from.
#[derive(Clone, Debug)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) component: Bytes,
    /// Where golden files and the sample event lie: the project, or the file's folder.
    pub(super) folder: PathBuf,
}

impl Plugin {
    /// Reads the file, or builds the project.
    pub(super) async fn at(place: &Path) -> anyhow::Result<Self> {
        if place.is_file() {
            return Self::from_file(place);
        }
        let project = project(place)?;
        let built = build(&project, None).await?;
        let component = std::fs::read(&built.path)
            .with_context(|| format!("could not read {}", built.path.display()))?;
        Ok(Self {
            name: project.name.clone(),
            component: component.into(),
            folder: place.to_owned(),
        })
    }

    fn from_file(file: &Path) -> anyhow::Result<Self> {
        let component =
            std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            component: component.into(),
            folder: file.parent().unwrap_or(Path::new("")).to_owned(),
        })
    }
}

/// The project in `dir`, or one line about what is missing.
pub(super) fn project(dir: &Path) -> anyhow::Result<Project> {
    if !dir.exists() {
        bail!(
            "there is no folder or file {}\n  cure: go to your plugin's folder or name it; \
             `hookgate plugin new NAME --lang rust` makes one",
            dir.display()
        );
    }
    match Project::read(dir) {
        Err(ProjectError::NoManifest { .. }) => bail!(
            "no plugin here: {} has neither plugin.toml nor Cargo.toml\n  cure: go to your \
             plugin's folder or name it; `hookgate plugin new NAME --lang rust` makes one",
            dir.display()
        ),
        read => Ok(read?),
    }
}

/// Builds to `NAME.wasm` in `out`, or in the project's folder. Tells each step.
pub(super) async fn build(project: &Project, out: Option<&Path>) -> anyhow::Result<Built> {
    let (dir, out) = (project.dir.clone(), out.unwrap_or(&project.dir).to_owned());
    // Compilers and package managers run for minutes, and block.
    let built = tokio::task::spawn_blocking(move || {
        let options = Options {
            out_dir: out,
            ..Options::from_environment(&dir, step)
        };
        hookgate_plugin_kit::build(&dir, &options)
    });
    Ok(built.await.context("the build broke off")??)
}
