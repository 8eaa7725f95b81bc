//! Every template builds, outside the repository, to a component that exports what it says.
//!
//! What the components then do is shown by their own golden tests, which need a host.

use hookgate_plugin_kit::{Export, Language, Options, build, template};

/// What cargo and the others keep stands with that of the shipped plugins.
fn options(out: &std::path::Path) -> Options {
    let here = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = here.parent().expect("it stands in the target folder");
    Options {
        out_dir: out.to_owned(),
        target_dir: target.join("guests"),
        ..Options::from_environment(here, |line| eprintln!("{line}"))
    }
}

fn build_all(language: Language) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for export in Export::ALL {
        let name = format!("{language}-{export}");
        let dir = folder.path().join(&name);
        template::create(&name, language, export, &dir).expect("a new project");
        let built = build(&dir, &options(folder.path())).expect("it builds");
        assert_eq!(built.exports, [format!("hookgate:plugin/{export}@1.0.0")]);
        assert!(built.imports.len() <= 1, "{:?}", built.imports);
    }
}

#[test]
fn javascript_templates_build() {
    build_all(Language::Js);
}

#[test]
fn typescript_templates_build() {
    build_all(Language::Ts);
}

#[test]
fn c_templates_build() {
    build_all(Language::C);
}

#[test]
fn rust_templates_build() {
    build_all(Language::Rust);
}

/// These fetch a compiler of 50 MB each and take a minute: part of the full run.
fn is_full_run() -> bool {
    let is_full = std::env::var_os("HOOKGATE_FULL").is_some();
    if !is_full {
        eprintln!("LEFT OUT: HOOKGATE_FULL is not set. `cargo xtask test --full` sets it.");
    }
    is_full
}

#[test]
fn python_templates_build() {
    if is_full_run() {
        build_all(Language::Python);
    }
}

#[test]
fn go_templates_build() {
    if is_full_run() {
        build_all(Language::Go);
    }
}
