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
    let folder = tempfile::tempdir().unwrap();
    for export in Export::ALL {
        let name = format!("{language}-{export}");
        let dir = folder.path().join(&name);
        template::create(&name, language, export, &dir).unwrap();
        let built = build(&dir, &options(folder.path())).unwrap();
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
