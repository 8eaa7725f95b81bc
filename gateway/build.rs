//! Puts the shipped plugins into the binary.
//!
//! `HOOKGATE_SHIPPED_PLUGINS` names a folder of components, which `cargo xtask build` sets.
//! Without it, as in a plain `cargo build`, there are none inside and no wasm is needed.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "HOOKGATE_SHIPPED_PLUGINS";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={FOLDER}");
    println!("cargo::rerun-if-changed=build.rs");
    // Read by a macro, which can't tell cargo so itself.
    println!("cargo::rerun-if-changed=migrations");

    let mut list = String::from("&[\n");
    for component in components()? {
        println!("cargo::rerun-if-changed={}", component.display());
        let name = component
            .file_stem()
            .and_then(|name| name.to_str())
            .ok_or("a name that is not UTF-8")?;
        let path = component.to_str().ok_or("a path that is not UTF-8")?;
        writeln!(
            list,
            "    ShippedPlugin {{ name: {name:?}, bytes: include_bytes!({path:?}) }},"
        )?;
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("shipped.rs");
    Ok(fs::write(out, list)?)
}

fn components() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let Some(folder) = env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else {
        return Ok(Vec::new());
    };
    let folder = Path::new(&folder)
        .canonicalize()
        .map_err(|error| format!("{FOLDER}: {error}"))?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
