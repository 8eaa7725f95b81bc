//! `skinny`: keeps chosen parts of an event's data, and nothing else.
//!
//! For receivers that must not see it all, or want to fetch it themselves:
//!
//! ```json
//! {"keep": ["/id", "/customer/email", "/lines/0/sku"], "data_url": true}
//! ```
//!
//! `keep` holds JSON pointers. What they name stays where it was, in the document's order
//! and byte for byte, so large numbers and odd escapes survive; what they name but the
//! data does not have is absent, and so is an object that nothing was kept of. An index
//! addresses an element of an array; the kept elements move together, so `/lines/2/sku`
//! alone gives an array of one. `data_url` adds the claim check to the whole event as the
//! member `data_url`.
//!
//! It refuses data that is not a JSON object. It does not rename or compute anything.

mod config;
mod slim;

use hookgate_plugin::{Event, Failure, Transform, Verdict, data_url};

pub use config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Skinny;

impl Transform for Skinny {
    type Config = Config;

    fn handle(event: Event, config: &Config) -> Result<Verdict, Failure> {
        let url = config.adds_data_url.then(data_url);
        let slim = slim::slim(event.text()?, &config.keep, url.as_deref())?;
        Ok(Verdict::Replace(slim.into_bytes()))
    }
}

hookgate_plugin::export!(Skinny as transform);
