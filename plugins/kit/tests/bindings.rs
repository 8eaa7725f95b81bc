//! Keeps the Rust SDK's bindings what the generator makes of `wit/`.
//!
//! They are committed, not made by a macro in each build: a plugin's first build
//! then does without the generator and its parsers, about a minute of work, and an
//! author can read what stands between a plugin and Hookgate.
//! After a change of `wit/`: `HOOKGATE_UPDATE_BINDINGS=1 cargo test -p hookgate-plugin-kit --test bindings`.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::path::{Path, PathBuf};

use wit_bindgen_core::{Files, WorldGenerator as _, wit_parser::Resolve};
use wit_bindgen_rust::{Opts, WithOption};

const PACKAGE: &str = "hookgate:plugin";
const VERSION: &str = "1.0.0";

/// The generator's own format would change with the compiler in use: no rustfmt here.
const HEADER: &str = "\
//! What stands between a plugin and Hookgate: the contract's types and functions as Rust.
//!
//! Made from wit/ by plugins/kit/tests/bindings.rs, and nothing of it by hand. It checks and converts
//! nothing beyond the contract: the SDK's own modules do.
";

/// What every plugin shares: the types and the imports, and no export.
const IMPORTS_WORLD: &str =
    "package hookgate:bindings; world imports { import hookgate:plugin/host@1.0.0; }";

#[test]
fn the_bindings_of_the_rust_sdk_are_those_of_the_contract() {
    let imports = generated("imports", None);
    check("host.rs", &imports);
    for (world, interface) in [
        ("transform-plugin", "transform"),
        ("filter-plugin", "filter"),
        ("fold-plugin", "fold"),
        ("receiver-plugin", "receiver"),
    ] {
        check(
            &format!("{interface}.rs"),
            &generated(world, Some(interface)),
        );
    }
}

fn generated(world: &str, interface: Option<&str>) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let package = match interface {
        Some(_) => package,
        None => resolve.push_source("imports.wit", IMPORTS_WORLD).unwrap(),
    };
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut opts = Opts {
        format: true,
        generate_all: true,
        generate_unused_types: true,
        pub_export_macro: true,
        // So that tests of plugins can compare what comes out.
        additional_derive_attributes: vec!["PartialEq".into()],
        runtime_path: Some("::wit_bindgen::rt".into()),
        ..Opts::default()
    };
    if let Some(interface) = interface {
        for shared in ["types", "host"] {
            opts.with.push((
                format!("{PACKAGE}/{shared}@{VERSION}"),
                WithOption::Path(format!("crate::bindings::host::hookgate::plugin::{shared}")),
            ));
        }
        opts.runtime_path = Some("crate::__rt".into());
        opts.export_macro_name = Some(format!("__export_{interface}"));
        opts.default_bindings_module = Some(format!("$crate::bindings::{interface}"));
    }
    let mut files = Files::default();
    opts.build()
        .generate(&mut resolve, world, &mut files)
        .unwrap();
    let (_, bytes) = files.iter().next().expect("the generator writes one file");
    format!("{HEADER}{}", String::from_utf8(bytes.to_vec()).unwrap())
}

fn check(name: &str, generated: &str) {
    let path = root().join("plugins/sdk/rust/src/bindings").join(name);
    if std::env::var_os("HOOKGATE_UPDATE_BINDINGS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is not what wit/ gives: see the head of this test",
        path.display()
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
