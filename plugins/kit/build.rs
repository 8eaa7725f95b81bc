//! Lists the files that new plugin projects are made of: the SDKs and the templates.
//!
//! The SDKs stand in `plugins/sdk` once; the kit carries them as they are, without their own
//! tests and without what tools leave behind.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders that are no part of an SDK.
const LEFT_OUT: [&str; 4] = ["tests", "target", "node_modules", "__pycache__"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut list = String::new();
    for (name, root) in [
        ("SDKS", here.join("../sdk")),
        ("TEMPLATES", here.join("templates")),
    ] {
        let root = root.canonicalize()?;
        println!("cargo::rerun-if-changed={}", root.display());
        let mut files = Vec::new();
        walk(&root, &mut files)?;
        if name == "SDKS" {
            files.retain(|file| !file.to_string_lossy().ends_with("_test.go"));
        }
        files.sort();
        let _ = writeln!(list, "pub(super) static {name}: &[(&str, &[u8])] = &[");
        for file in files {
            let relative = file.strip_prefix(&root).expect("it was found below");
            let _ = writeln!(list, "    ({relative:?}, include_bytes!({file:?})),");
        }
        let _ = writeln!(list, "];");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("template_files.rs"), list)
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_ref()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
