//! Components of the tests, made from WebAssembly text while the tests run: nothing compiled is
//! committed, and whoever reads a test can read its plugin.

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::tool::repository;

/// Worlds that the contract leaves to authors who want them.
const OWN_WORLDS: &str = "package test:worlds;
world filter-and-transform {
    include hookgate:plugin/filter-plugin@1.0.0;
    include hookgate:plugin/transform-plugin@1.0.0;
}";

/// The component of `tests/components/NAME.wat`.
///
/// # Panics
/// Where there is no such file, or it makes no component.
#[must_use]
pub fn component(name: &str) -> Bytes {
    component_of(&text(name))
}

/// A plugin that replaces the data with `{"stamp":STAMP}`, crashes on data that begins with 2, and
/// loops on data that begins with 3.
///
/// # Panics
/// Where the stamp has more than one digit.
#[must_use]
pub fn stamping(stamp: u8) -> Bytes {
    component_of(&stamping_text(stamp))
}

/// The same, mended: it crashes and loops no more.
///
/// # Panics
/// Where the stamp has more than one digit.
#[must_use]
pub fn stamping_all(stamp: u8) -> Bytes {
    let mended = stamping_text(stamp)
        .replace("(i32.const 0x32)", "(i32.const 0)")
        .replace("(i32.const 0x33)", "(i32.const 0)");
    component_of(&mended)
}

/// The same code under another digest: a custom section more.
#[must_use]
pub fn distinct(component: &[u8], number: u32) -> Bytes {
    let section = [&[0, 6, 1, b'n'][..], &number.to_le_bytes()].concat();
    [component, &section].concat().into()
}

fn stamping_text(stamp: u8) -> String {
    assert!(stamp < 10, "a stamp has one digit");
    text("stamps").replace("stamp\\\":1", &format!("stamp\\\":{stamp}"))
}

fn component_of(text: &str) -> Bytes {
    let binary = wat::parse_str(text).expect("the text is WebAssembly");
    let world = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(";; world: "));
    match world {
        Some(world) => wrapped(binary, world),
        None => binary.into(),
    }
}

/// A core module as a component of one of the contract's worlds.
fn wrapped(mut module: Vec<u8>, world: &str) -> Bytes {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve
        .push_dir(repository().join("wit"))
        .expect("the contract is well-formed");
    let own = resolve
        .push_str("worlds.wit", OWN_WORLDS)
        .expect("these worlds are well-formed");
    let of_contract = resolve.select_world(&[contract], Some(world));
    let world = of_contract
        .or_else(|_| resolve.select_world(&[own], Some(world)))
        .expect("there is such a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the module can name its world");
    let component = ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module fits its world");
    component.into()
}

fn text(name: &str) -> String {
    let path = repository()
        .join("tests/components")
        .join(name)
        .with_extension("wat");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
