//! Every case of `golden/`: a config, data, and what comes out, byte for byte.

use hookgate_plugin::{Failure, Transform, Verdict, json, testing};
use serde::Deserialize;
use skinny::{Config, Skinny};

/// `data` and `slim` are text inside the JSON, so that their bytes are exact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    config: Box<json::RawValue>,
    data: String,
    slim: Option<String>,
    unusable: Option<String>,
    invalid_config: Option<String>,
}

#[test]
fn every_golden_case_comes_out_as_written() {
    testing::set_data_url("https://gate.example/e/1?sig=a&b");
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/skinny.json")).unwrap();
    for case in cases {
        let config: Config = match json::from_str(case.config.get()) {
            Ok(config) => config,
            Err(error) => {
                assert_eq!(
                    Some(error.to_string()),
                    case.invalid_config,
                    "{}",
                    case.name
                );
                continue;
            }
        };
        match Skinny::handle(testing::event(case.data), &config) {
            Ok(Verdict::Replace(bytes)) => {
                assert_eq!(String::from_utf8(bytes).ok(), case.slim, "{}", case.name);
            }
            Err(Failure::UnusableEvent(text)) => {
                assert_eq!(Some(text), case.unusable, "{}", case.name)
            }
            other => panic!("{}: {other:?}", case.name),
        }
    }
}
