//! Debian's compilers, unpacked into the cache.
//!
//! For machines where the language's own installer can't fetch one. The packages are signed by
//! Debian and only unpacked: nothing is installed, so nothing can conflict. Their names and
//! versions are asked of apt, since the archive replaces them and the old ones vanish.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools::{finish, last_line, unfinished};
use crate::{BuildError, Options};

/// What makes up one compiler.
pub(crate) struct Packages {
    /// What it is, as an error says it.
    pub(crate) tool: &'static str,
    /// Its folder in the cache starts so; the version of the first package follows.
    pub(crate) prefix: &'static str,
    /// With these comes what they depend on, where the machine lacks it.
    pub(crate) wanted: &'static [&'static str],
    /// Of `usr/bin`, made runnable in the folder itself.
    pub(crate) programs: &'static [&'static str],
    /// Packed and unpacked, roughly.
    pub(crate) megabytes: (u32, u32),
    /// A line to type where Debian's can't be had.
    pub(crate) cure: &'static str,
}

/// Of the compiler's source, 40,000 files, only the library's are needed.
const SOURCE_PACKAGE: &str = "rust-web-src";
const SOURCES: &str = "./usr/src/rustc-*/library/*";

/// Finds the libraries beside it wherever the folder stands.
const RUNNER: &str = "#!/bin/sh
root=${0%/*}
for libs in \"$root\"/usr/lib/*-linux-gnu*; do LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; done
export LD_LIBRARY_PATH
exec \"$root/usr/bin/${0##*/}\" \"$@\"
";

/// Whether this machine has Debian's package tools.
pub(crate) fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg-deb").exists()
}

/// The folder of the unpacked compiler, fetched at first; its programs stand in it by name.
/// One that is there is used as it is: remove the folder to get a newer one.
pub(crate) fn unpacked(packages: &Packages, options: &Options) -> Result<PathBuf, BuildError> {
    if let Some(root) = newest(packages, &options.cache_dir) {
        return Ok(root);
    }
    let unfinished = unfinished(options)?;
    let (packed, whole) = packages.megabytes;
    (options.progress)(&format!(
        "fetching {} of Debian: {packed} MB, once",
        packages.tool
    ));
    let version = match packages.download(unfinished.path()) {
        Ok(version) => version,
        Err(_) if is_root() => {
            (options.progress)("updating apt's lists: the archive has newer packages");
            packages.run(Command::new("apt-get").args(["update", "-qq"]))?;
            packages.download(unfinished.path())?
        }
        Err(error) => return Err(error),
    };
    (options.progress)(&format!("unpacking it: {whole} MB"));
    packages.unpack(unfinished.path())?;
    // An epoch's colon would end the path in a list of paths.
    let version = version.replace(':', "_");
    let root = options
        .cache_dir
        .join(format!("{}{version}", packages.prefix));
    finish(unfinished, &root)?;
    Ok(root)
}

pub(crate) fn newest(packages: &Packages, cache_dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(cache_dir).ok()?.filter_map(Result::ok);
    let complete = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with(packages.prefix)
    });
    complete
        .max_by_key(|entry| entry.metadata().and_then(|it| it.modified()).ok())
        .map(|entry| entry.path())
}

impl Packages {
    /// Downloads what is not on the machine yet, and gives the compiler's version.
    fn download(&self, dir: &Path) -> Result<String, BuildError> {
        let listed = self.run(
            Command::new("apt-get")
                .args(["install", "--reinstall", "--print-uris", "-qq"])
                .arg("--no-install-recommends")
                .args(self.wanted),
        )?;
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
            if name == self.wanted[0] {
                version = Some(of);
            }
        }
        let version = version
            .ok_or_else(|| self.failed(format!("apt knows no package {}", self.wanted[0])))?;
        // The sandbox user may not write into a folder of root's.
        self.run(
            Command::new("apt-get")
                .args(["download", "-qq", "-o", "APT::Sandbox::User=root"])
                .args(&packages)
                .current_dir(dir),
        )?;
        Ok(version)
    }

    fn unpack(&self, dir: &Path) -> Result<(), BuildError> {
        let entries = std::fs::read_dir(dir).map_err(BuildError::io("read", dir))?;
        for package in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if package.extension().is_some_and(|it| it == "deb") {
                unpack(&package, dir)?;
                std::fs::remove_file(&package).map_err(BuildError::io("remove", &package))?;
            }
        }
        for program in self.programs {
            let runner = dir.join(program);
            std::fs::write(&runner, RUNNER).map_err(BuildError::io("write", &runner))?;
            std::fs::set_permissions(&runner, Permissions::from_mode(0o755))
                .map_err(BuildError::io("write", &runner))?;
            self.run(Command::new(&runner).arg("--version"))?;
        }
        Ok(())
    }

    fn run(&self, command: &mut Command) -> Result<String, BuildError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(BuildError::run(&program))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(self.failed(format!("{program}: {}", last_line(&said))))
    }

    fn failed(&self, reason: String) -> BuildError {
        BuildError::Fetch {
            tool: self.tool.to_owned(),
            reason,
            cure: self.cure.to_owned(),
        }
    }
}

fn unpack(package: &Path, dir: &Path) -> Result<(), BuildError> {
    let mut tar = Command::new("tar");
    tar.args(["-x", "-C"])
        .arg(dir)
        .args(["--wildcards", "./usr/bin/*", "./usr/lib/*"]);
    let name = package.file_name().unwrap_or_default();
    if name.to_string_lossy().starts_with(SOURCE_PACKAGE) {
        tar.arg(SOURCES);
    }
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(BuildError::run("dpkg-deb"))?;
    let stream = reader.stdout.take().expect("it was just piped");
    // A package without usr/bin makes tar grumble; what is missing shows when the programs run.
    tar.stdin(stream)
        .stderr(Stdio::null())
        .status()
        .map_err(BuildError::run("tar"))?;
    reader.wait().map_err(BuildError::run("dpkg-deb"))?;
    Ok(())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n")
}
