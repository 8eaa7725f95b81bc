//! Lets events of one status pass.

use hookgate_plugin::{Event, Failure, Filter};
use serde::Deserialize;

/// What a subscription has to set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The wanted value of the data's member `status`.
    status: String,
}

/// What is read of the data.
#[derive(Deserialize)]
struct Data {
    status: Option<String>,
}

/// The plugin.
pub struct Plugin;

impl Filter for Plugin {
    type Config = Config;

    fn accepts(event: Event, config: &Config) -> Result<bool, Failure> {
        let data: Data = event.json()?;
        Ok(data.status.as_ref() == Some(&config.status))
    }
}

hookgate_plugin::export!(Plugin as filter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_status_does_not_pass() {
        let event = hookgate_plugin::testing::event(r#"{"status": "open"}"#);
        let config = Config { status: "paid".into() };
        assert_eq!(Plugin::accepts(event, &config), Ok(false));
    }
}
