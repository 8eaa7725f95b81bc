//! Every case of `golden/`: a condition, and the data that it accepts and drops.

use hookgate_plugin::{Failure, Filter, json, testing};
use r#match::{Condition, Match};
use serde::Deserialize;

/// Data is text inside the JSON, so that its bytes are exact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    config: Box<json::RawValue>,
    #[serde(default)]
    accepts: Vec<String>,
    #[serde(default)]
    drops: Vec<String>,
    invalid_config: Option<String>,
}

#[test]
fn every_golden_case_is_accepted_or_dropped_as_written() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/match.json")).unwrap();
    for case in cases {
        let config = json::from_str::<Condition>(case.config.get());
        let refusal = config.as_ref().err().map(ToString::to_string);
        assert_eq!(refusal, case.invalid_config, "{}", case.config);
        let Ok(condition) = config else { continue };
        let accepted = case.accepts.into_iter().map(|data| (data, true));
        for (data, expected) in accepted.chain(case.drops.into_iter().map(|data| (data, false))) {
            let accepts = Match::accepts(testing::event(data.clone()), &condition);
            assert_eq!(accepts, Ok(expected), "{} of {data}", case.config);
        }
    }
}

#[test]
fn data_that_is_not_json_is_unusable() {
    let condition: Condition = json::from_str(r#"{"pointer": "/a", "exists": false}"#).unwrap();
    let failure = Match::accepts(testing::event("{\"a\""), &condition).unwrap_err();
    assert!(
        matches!(&failure, Failure::UnusableEvent(text) if text.contains("line 1 column 4")),
        "{failure:?}"
    );
}
