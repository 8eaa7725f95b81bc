//! `redact`: masks or hashes chosen parts of an event's data; everything else stays byte for byte.
//!
//! ```json
//! {"mask": ["/card/number", "/lines/*/note"], "hash": ["/customer/email"], "salt": "…"}
//! ```
//!
//! What a pointer of `mask` names becomes a text that tells nothing, what one of `hash` names
//! becomes the HMAC-SHA-256 of it under the salt, in hexadecimal: equal values stay equal, and
//! nobody who lacks the salt can guess them. `*` is every element of an array.
//!
//! It refuses data that is not JSON: what it cannot read it cannot redact. It looks at nothing
//! but the data, so what stands in the event's subject or attributes stays there.

mod config;
mod cover;
mod tree;

use hookgate_plugin::{Event, Failure, Transform, Verdict};

pub use config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Redact;

impl Transform for Redact {
    type Config = Config;

    fn handle(event: Event, config: &Config) -> Result<Verdict, Failure> {
        let data = event.text()?;
        Ok(match cover::cover(data, config)? {
            Some(covered) => Verdict::Replace(covered.into_bytes()),
            None => Verdict::Pass,
        })
    }
}

hookgate_plugin::export!(Redact as transform);
