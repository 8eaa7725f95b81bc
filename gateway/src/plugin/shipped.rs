//! The plugins inside the binary, so that one file is all a user needs.
//!
//! They are components like any other and get no privilege: they are compiled, checked and
//! limited as an upload is. A plain `cargo build` puts none inside.

/// One component inside the binary.
#[derive(Debug)]
pub struct ShippedPlugin {
    /// What subscriptions call it.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

/// By name; empty where the binary was built without the plugins: `cargo xtask build` puts
/// them inside.
#[must_use]
pub fn shipped() -> &'static [ShippedPlugin] {
    include!(concat!(env!("OUT_DIR"), "/shipped.rs"))
}
