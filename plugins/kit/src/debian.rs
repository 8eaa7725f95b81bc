//! Debian's compiler, unpacked into the cache.
//!
//! For machines where rustup can't fetch the wasm target. The packages are signed by Debian
//! and only unpacked: nothing is installed, so nothing can conflict. Their names and versions
//! are asked of apt, since the archive replaces them and the old ones vanish.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{BuildError, Options};

/// The compiler, the standard library of the machine for build scripts, and its source.
const WANTED: [&str; 3] = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"];
const PREFIX: &str = "guest-toolchain-";

/// Finds the libraries beside it wherever the folder stands.
const RUSTC: &str = "#!/bin/sh
root=${0%/*}
for libs in \"$root\"/usr/lib/*-linux-gnu*; do LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; done
export LD_LIBRARY_PATH
exec \"$root/usr/bin/rustc\" \"$@\"
";

/// Whether this machine has Debian's package tools.
pub(crate) fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg-deb").exists()
}

pub(crate) fn rustc(root: &Path) -> PathBuf {
    root.join("rustc")
}

pub(crate) fn version(root: &Path) -> Result<String, BuildError> {
    run(Command::new(rustc(root)).arg("--version")).map(|version| version.trim().to_owned())
}

/// The folder of the unpacked compiler, fetched at first. One that is there is used as it
/// is: remove the folder to get a newer one.
pub(crate) fn unpacked(options: &Options) -> Result<PathBuf, BuildError> {
    if let Some(root) = newest(&options.cache_dir) {
        return Ok(root);
    }
    std::fs::create_dir_all(&options.cache_dir)
        .map_err(BuildError::io("create", &options.cache_dir))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempdir_in(&options.cache_dir)
        .map_err(BuildError::io("create a folder in", &options.cache_dir))?;
    (options.progress)("fetching Debian's compiler for wasm: 140 MB, once");
    let version = match download(unfinished.path()) {
        Ok(version) => version,
        Err(_) if is_root() => {
            (options.progress)("updating apt's lists: the archive has newer packages");
            run(Command::new("apt-get").args(["update", "-qq"]))?;
            download(unfinished.path())?
        }
        Err(error) => return Err(error),
    };
    (options.progress)("unpacking it: 500 MB");
    unpack(unfinished.path())?;
    let root = options.cache_dir.join(format!("{PREFIX}{version}"));
    let unfinished = unfinished.keep();
    match std::fs::rename(&unfinished, &root) {
        // Another build was faster.
        Err(_) if root.is_dir() => {
            std::fs::remove_dir_all(&unfinished).map_err(BuildError::io("remove", &unfinished))?;
        }
        result => result.map_err(BuildError::io("rename", &unfinished))?,
    }
    Ok(root)
}

fn newest(cache_dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(cache_dir).ok()?.filter_map(Result::ok);
    let complete = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    complete
        .max_by_key(|entry| entry.metadata().and_then(|it| it.modified()).ok())
        .map(|entry| entry.path())
}

/// Downloads what is not on the machine yet, and gives the compiler's version.
fn download(dir: &Path) -> Result<String, BuildError> {
    let listed = run(Command::new("apt-get")
        .args([
            "install",
            "--reinstall",
            "--print-uris",
            "-qq",
            "--no-install-recommends",
        ])
        .args(WANTED))?;
    let mut version = None;
    let mut packages = Vec::new();
    for line in listed.lines() {
        let Some(file) = line.split_whitespace().nth(1) else {
            continue;
        };
        let mut parts = file.split('_');
        let (Some(name), Some(of)) = (parts.next(), parts.next()) else {
            continue;
        };
        let of = of.replace("%3a", ":");
        packages.push(format!("{name}={of}"));
        if name == WANTED[0] {
            version = Some(of);
        }
    }
    let version = version.ok_or_else(|| fetch("apt knows no package rustc-web"))?;
    // The sandbox user may not write into a folder of root's.
    run(Command::new("apt-get")
        .args(["download", "-qq", "-o", "APT::Sandbox::User=root"])
        .args(&packages)
        .current_dir(dir))?;
    Ok(version)
}

fn unpack(dir: &Path) -> Result<(), BuildError> {
    for entry in std::fs::read_dir(dir)
        .map_err(BuildError::io("read", dir))?
        .filter_map(Result::ok)
    {
        let package = entry.path();
        if package
            .extension()
            .is_none_or(|extension| extension != "deb")
        {
            continue;
        }
        let mut tar = Command::new("tar");
        tar.args(["-x", "-C"])
            .arg(dir)
            .args(["--wildcards", "./usr/bin/*", "./usr/lib/*"]);
        if entry.file_name().to_string_lossy().starts_with(WANTED[2]) {
            // Of the compiler's source, 40,000 files, only the library's are needed.
            tar.arg("./usr/src/rustc-*/library/*");
        }
        let mut reader = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(&package)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BuildError::run("dpkg-deb"))?;
        let stream = reader.stdout.take().expect("it was just piped");
        // A package without usr/bin makes tar grumble; a missing file shows in the check below.
        tar.stdin(stream)
            .stderr(Stdio::null())
            .status()
            .map_err(BuildError::run("tar"))?;
        reader.wait().map_err(BuildError::run("dpkg-deb"))?;
        std::fs::remove_file(&package).map_err(BuildError::io("remove", &package))?;
    }
    let rustc = rustc(dir);
    std::fs::write(&rustc, RUSTC).map_err(BuildError::io("write", &rustc))?;
    std::fs::set_permissions(&rustc, Permissions::from_mode(0o755))
        .map_err(BuildError::io("write", &rustc))?;
    version(dir).map(drop)
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn run(command: &mut Command) -> Result<String, BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(BuildError::run(&program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(fetch(&format!(
        "{program}: {}",
        said.trim().lines().next_back().unwrap_or("failed silently")
    )))
}

fn fetch(reason: &str) -> BuildError {
    BuildError::Fetch {
        reason: reason.to_owned(),
    }
}
