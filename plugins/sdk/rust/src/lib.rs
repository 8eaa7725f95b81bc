//! Write Hookgate plugins in Rust.
//!
//! A plugin is a function of an event and a config. There is no clock, no network and
//! no file, so what a test shows natively is what happens in production:
//!
//! ```
//! use hookgate_plugin::{Event, Failure, Transform, Verdict};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     max_data_bytes: usize,
//! }
//!
//! struct OnlySmall;
//!
//! impl Transform for OnlySmall {
//!     type Config = Config;
//!
//!     fn handle(event: Event, config: &Config) -> Result<Verdict, Failure> {
//!         if event.data.len() > config.max_data_bytes {
//!             return Ok(Verdict::Drop("the data is too large".into()));
//!         }
//!         Ok(Verdict::Pass)
//!     }
//! }
//!
//! hookgate_plugin::export!(OnlySmall as transform);
//! ```
//!
//! [`Filter`], [`Fold`] and [`Receiver`] are written and exported the same way. Build it with
//! `hookgate plugin build`, as an ordinary library crate. It does not hide the contract:
//! [`Event`], [`Verdict`] and [`Failure`] are the types of `wit/`.

#[expect(
    unsafe_code,
    unreachable_pub,
    reason = "made from wit/; crossing the component boundary takes raw pointers"
)]
#[doc(hidden)]
pub mod bindings {
    #[rustfmt::skip]
    pub mod filter;
    #[rustfmt::skip]
    pub mod fold;
    #[rustfmt::skip]
    pub mod host;
    #[rustfmt::skip]
    pub mod receiver;
    #[rustfmt::skip]
    pub mod transform;
}
mod config;
mod convert;
mod host;
pub mod json;
pub mod log;
mod plugin;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;

pub use bindings::host::hookgate::plugin::types::{Attribute, Event, Failure, Message, Verdict};
pub use bindings::receiver::exports::hookgate::plugin::receiver::{
    Draft, Reception, Request, Response,
};
pub use host::data_url;
pub use plugin::{Filter, Fold, Receiver, Transform};

/// What the bindings need of their generator; not for plugins.
#[doc(hidden)]
pub use wit_bindgen::rt as __rt;

/// What [`export!`] expands to; not for plugins.
#[doc(hidden)]
pub mod __export {
    pub use crate::bindings::filter::exports::hookgate::plugin::filter::Guest as FilterGuest;
    pub use crate::bindings::fold::exports::hookgate::plugin::fold::Guest as FoldGuest;
    pub use crate::bindings::receiver::exports::hookgate::plugin::receiver::Guest as ReceiverGuest;
    pub use crate::bindings::transform::exports::hookgate::plugin::transform::Guest as TransformGuest;
    pub use crate::config::ConfigCell;
    pub use crate::plugin::prepare;
}
