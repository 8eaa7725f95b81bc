//! The contract of `wit/`, carried in the kit, and the world of one project in it.
//!
//! Toolchains that want WIT get the text written out; modules that carry no description of
//! their interfaces get one here.

use std::path::Path;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::{BuildError, Export};

/// The world that [`write`] adds to the contract.
pub(crate) const WORLD: &str = "project";

const PACKAGE: &str = "hookgate:plugin@1.0.0";
const FILES: [(&str, &str); 7] = [
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("host.wit", include_str!("../../../wit/host.wit")),
    ("transform.wit", include_str!("../../../wit/transform.wit")),
    ("filter.wit", include_str!("../../../wit/filter.wit")),
    ("fold.wit", include_str!("../../../wit/fold.wit")),
    ("receiver.wit", include_str!("../../../wit/receiver.wit")),
    ("world.wit", include_str!("../../../wit/world.wit")),
];

/// Writes the contract into `dir`, with a world [`WORLD`] of `exports`.
pub(crate) fn write(dir: &Path, exports: &[Export]) -> Result<(), BuildError> {
    std::fs::create_dir_all(dir).map_err(BuildError::io("create", dir))?;
    for (name, text) in FILES {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(BuildError::io("write", &path))?;
    }
    let path = dir.join("project.wit");
    std::fs::write(&path, world(WORLD, exports)).map_err(BuildError::io("write", &path))
}

/// Adds the description of a world of `exports` to a core module.
pub(crate) fn describe(module: &mut Vec<u8>, exports: &[Export]) -> Result<(), String> {
    let (resolve, world) = resolve(WORLD, exports);
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))
}

/// Describes what a module beneath a plugin's own imports: the host, as the plugin does.
pub(crate) fn describe_runtime(module: &mut Vec<u8>) -> Result<(), String> {
    let (resolve, world) = resolve("runtime", &[]);
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))
}

fn resolve(name: &str, exports: &[Export]) -> (Resolve, WorldId) {
    let mut sources = SourceMap::default();
    for (name, text) in FILES {
        sources.push_str(name, text);
    }
    sources.push_str("project.wit", world(name, exports));
    let group = sources
        .parse()
        .map_err(|(_, error)| error)
        .expect("the kit carries the contract, and a test reads it");
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).expect("as above");
    let world = resolve
        .select_world(&[package], Some(name))
        .expect("it was just written");
    (resolve, world)
}

fn world(name: &str, exports: &[Export]) -> String {
    let exports: String = exports
        .iter()
        .map(|export| format!(" export {export};"))
        .collect();
    format!("package {PACKAGE};\n\nworld {name} {{ import host;{exports} }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_of_a_project_exports_what_the_project_says() {
        for exports in [&Export::ALL[..], &[Export::Fold]] {
            let (resolve, world) = resolve(WORLD, exports);
            let found: Vec<String> = resolve.worlds[world]
                .exports
                .keys()
                .map(|key| resolve.name_world_key(key))
                .collect();
            let expected: Vec<String> = exports
                .iter()
                .map(|export| format!("hookgate:plugin/{export}@1.0.0"))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn every_file_of_the_contract_is_carried() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut there: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".wit"))
            .collect();
        there.sort();
        let mut carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        carried.sort_unstable();
        assert_eq!(there, carried);
    }
}
