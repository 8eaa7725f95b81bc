//! `match`: lets events pass by what stands in their data.
//!
//! ```json
//! {"all": [
//!   {"pointer": "/action", "in": ["opened", "reopened"]},
//!   {"pointer": "/pull_request/additions", "gte": 10, "lt": 1000},
//!   {"not": {"pointer": "/sender/login", "prefix": "bot-"}}
//! ]}
//! ```
//!
//! A condition is `all`, `any` or `not` of conditions, or a `pointer` with comparisons that
//! must all hold: `eq`, `ne`, `in`, `prefix`, `gt`, `gte`, `lt`, `lte`, `exists`. A value
//! that is absent makes every comparison false, `ne` too, and `exists: false` true; so does
//! a value of another type, except that `ne` holds for it. Numbers compare exactly, however
//! long, and `1` equals `1.0`.
//!
//! It refuses data that is not JSON, and looks at nothing but the data: event types are
//! matched by the subscription itself.

mod compare;
mod condition;
mod number;

use hookgate_plugin::{Event, Failure, Filter, json::RawValue};

pub use condition::Condition;

/// The plugin.
#[derive(Debug)]
pub struct Match;

impl Filter for Match {
    type Config = Condition;

    fn accepts(event: Event, config: &Condition) -> Result<bool, Failure> {
        let data: &RawValue = event.json()?;
        Ok(config.holds(data)?)
    }
}

hookgate_plugin::export!(Match as filter);
