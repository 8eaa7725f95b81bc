//! The shipped plugins, then the gateway with them inside.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::postgres;
use crate::shell::{Failed, cargo, root, run, step, target_dir};

/// What the gateway's build script reads.
const FOLDER: &str = "HOOKGATE_SHIPPED_PLUGINS";

/// How much cargo optimises. Debug is there a few times sooner, and fast enough to look around.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    /// Takes `--release` out of `args`.
    pub(crate) fn take(args: &mut Vec<String>) -> Self {
        let before = args.len();
        args.retain(|arg| arg != "--release");
        if args.len() < before {
            Self::Release
        } else {
            Self::Debug
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds the shipped plugins and gives their folder.
pub(crate) fn plugins() -> Result<PathBuf, Failed> {
    step("the shipped plugins");
    let sources = sources()?;
    let folder = target_dir().join("guests").join("shipped");
    let mut kit = cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "hookgate-plugin-kit",
        "--",
        "build",
        "--locked",
    ]);
    run(kit.args(&sources).arg("--out").arg(&folder))?;
    // A plugin that was renamed would stay inside for ever.
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_known = sources
            .iter()
            .any(|source| source.file_name() == path.file_stem());
        if !is_known {
            fs::remove_file(&path)
                .map_err(|error| Failed::because(format!("{}: {error}", path.display())))?;
        }
    }
    Ok(folder)
}

/// Every folder of `plugins/` that is a plugin and says that it is shipped.
fn sources() -> Result<Vec<PathBuf>, Failed> {
    let plugins = root().join("plugins");
    let entries =
        fs::read_dir(&plugins).map_err(|error| Failed::because(format!("plugins/: {error}")))?;
    let mut sources: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let manifest = fs::read_to_string(path.join("plugin.toml")).unwrap_or_default();
            manifest.lines().any(|line| line.trim() == "shipped = true")
        })
        .collect();
    sources.sort();
    Ok(sources)
}

/// Builds everything and gives the binary.
pub(crate) fn all(profile: Profile) -> Result<PathBuf, Failed> {
    let plugins = plugins()?;
    step(&format!("the gateway, {}", profile.name()));
    let mut build = cargo(&["build", "--locked", "--package", "hookgate"]);
    if matches!(profile, Profile::Release) {
        build.arg("--release");
    }
    run(build.env(FOLDER, plugins))?;
    let binary = target_dir().join(profile.name()).join("hookgate");
    step(&format!("done: {}", binary.display()));
    Ok(binary)
}

/// Becomes the gateway, so that signals and the terminal are its own.
pub(crate) fn start(command: &str, mut args: Vec<String>) -> Result<(), Failed> {
    let profile = Profile::take(&mut args);
    if std::env::var_os("DATABASE_URL").is_none() {
        postgres::ensure()?;
    }
    let binary = all(profile)?;
    step(&format!("hookgate {command} {}", args.join(" ")));
    let error = Command::new(&binary).arg(command).args(args).exec();
    Err(Failed::because(format!(
        "could not start {}: {error}",
        binary.display()
    )))
}

/// Measures a release build with a benchmark of the tests' package: that of the plugin platform
/// where `plugins` comes first.
pub(crate) fn bench(args: &[String]) -> Result<(), Failed> {
    let (program, args) = match args.split_first() {
        Some((first, rest)) if first == "plugins" => ("hookgate-plugin-bench", rest),
        _ => ("hookgate-bench", args),
    };
    if asks_only(args) {
        return run(rig(program, Profile::Debug).args(args));
    }
    postgres::ensure()?;
    let binary = all(Profile::Release)?;
    step("the benchmark");
    run(rig(program, Profile::Release)
        .args(args)
        .env(FOLDER, target_dir().join("guests/shipped"))
        .env("HOOKGATE_BINARY", binary))
}

/// Lets a rig of the tests' package loose on a gateway.
pub(crate) fn chaos(mut args: Vec<String>) -> Result<(), Failed> {
    let profile = Profile::take(&mut args);
    if matches!(args.first().map(String::as_str), Some("soak" | "powercut")) {
        return faults(profile, &args);
    }
    if asks_only(&args)
        || args
            .iter()
            .any(|arg| arg == "--plan" || arg.starts_with("--check"))
    {
        return run(rig("hookgate-chaos", Profile::Debug).args(args));
    }
    postgres::ensure()?;
    // The rig finds it beside itself.
    all(profile)?;
    step("chaos");
    run(rig("hookgate-chaos", profile)
        .args(args)
        .env(FOLDER, target_dir().join("guests/shipped")))
}

/// Hours of load, and power cuts.
fn faults(profile: Profile, args: &[String]) -> Result<(), Failed> {
    const RIG: &str = "hookgate-faults";
    if asks_only(args) {
        return run(rig(RIG, Profile::Debug).args(args).env(DISK, "none"));
    }
    postgres::ensure()?;
    all(profile)?;
    let mut faults = rig(RIG, profile);
    if args[0] == "powercut" {
        faults.env(DISK, lossy_disk()?);
    }
    step(&args[0]);
    run(faults
        .args(args)
        .env(FOLDER, target_dir().join("guests/shipped")))
}

/// Names the file system that loses what was not synced.
pub(crate) const DISK: &str = "HOOKGATE_LOSSY_DISK";

/// Builds it; a workspace of its own, in a folder of its own.
pub(crate) fn lossy_disk() -> Result<PathBuf, Failed> {
    step("the lossy disk");
    let folder = target_dir().join("lossy-disk");
    let manifest = root().join("tests/lossy-disk/Cargo.toml");
    let mut build = cargo(&["build", "--quiet", "--locked"]);
    run(build
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(&folder))?;
    Ok(folder.join("debug/lossy-disk"))
}

/// Runs the tests of promises, and writes their page.
pub(crate) fn promises(args: &[String]) -> Result<(), Failed> {
    let mut rig = rig("hookgate-faults", Profile::Debug);
    rig.arg("promises").args(args);
    if !asks_only(args) && !args.iter().any(|arg| arg == "--page") {
        postgres::ensure()?;
        all(Profile::Debug)?;
    }
    run(rig.env(FOLDER, target_dir().join("guests/shipped")))
}

/// Whoever asks for help does not want to wait for a build of everything.
fn asks_only(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "--help" || arg == "-h")
}

/// A program of the tests' package; what follows are its own arguments.
fn rig(name: &str, profile: Profile) -> Command {
    let mut words = vec!["run", "--quiet", "--locked"];
    if matches!(profile, Profile::Release) {
        words.push("--release");
    }
    words.extend(["--package", "hookgate-tests", "--bin", name, "--"]);
    cargo(&words)
}
