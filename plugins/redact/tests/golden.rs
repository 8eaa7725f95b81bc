//! Every case of `tests/*.json`, natively. `hookgate plugin test` runs the same files over the
//! built component.

use hookgate_plugin::testing::golden;
use redact::Redact;

#[test]
fn every_golden_case_comes_out_as_written() {
    golden::transform::<Redact>("tests");
}
