//! Merges waiting events of one key: the ids of all, in the order of arrival.

use hookgate_plugin::json::{NoConfig, RawValue};
use hookgate_plugin::{Event, Failure, Fold};
use serde::{Deserialize, Serialize};

/// The data; raw values keep their text, digit by digit.
#[derive(Deserialize, Serialize)]
struct Data<'a> {
    #[serde(borrow)]
    ids: Vec<&'a RawValue>,
}

/// The plugin.
pub struct Plugin;

impl Fold for Plugin {
    type Config = NoConfig;

    fn fold(earlier: Event, later: Event, _: &NoConfig) -> Result<Event, Failure> {
        let mut folded = ids(&earlier)?;
        folded.ids.extend(ids(&later)?.ids);
        let data = serde_json::to_vec(&folded)?;
        Ok(Event { data, ..later })
    }
}

fn ids(event: &Event) -> Result<Data<'_>, Failure> {
    event.json().map_err(|_| Failure::UnusableEvent("the data has no list of ids".into()))
}

hookgate_plugin::export!(Plugin as fold);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_the_order_of_arrival() {
        let event = hookgate_plugin::testing::event;
        let folded = Plugin::fold(event(r#"{"ids":[1]}"#), event(r#"{"ids":[2]}"#), &NoConfig {});
        assert_eq!(folded.unwrap().data, br#"{"ids":[1,2]}"#);
    }
}
