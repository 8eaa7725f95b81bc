//! `hookgate plugin test`, `check`, `inspect`, `run` and `bench`: what an author sees, with components
//! whose behaviour is known.

use hookgate_tests::Cli;
use hookgate_tests::component::{component, stamping};
use serde_json::Value;

/// `plugin test` of a component against one golden file.
async fn tested(
    plugin: impl AsRef<[u8]>,
    golden: &str,
    more: &[&str],
) -> (Cli, hookgate_tests::Ran) {
    let cli = Cli::new();
    cli.write("plugin.wasm", plugin);
    cli.write("tests/golden.json", golden);
    let mut words = vec!["plugin", "test", "plugin.wasm"];
    words.extend(more);
    let ran = cli.run(&words).await;
    (cli, ran)
}

fn event(data: &str) -> String {
    format!("{{\"type\": \"a.b\", \"data\": {data}}}")
}

#[tokio::test]
async fn a_wrong_expectation_fails_with_the_place_and_both_values() {
    let golden = format!(
        "[{{\"name\": \"right\", \"event\": {0}, \"expect\": {{\"replace\": {{\"stamp\": 1}}}}}},
          {{\"name\": \"wrong\", \"event\": {0}, \"expect\": {{\"replace\": {{\"stamp\": 2}}}}}},
          {{\"name\": \"not at all\", \"event\": {0}, \"expect\": \"pass\"}}]",
        event("1")
    );
    let (cli, ran) = tested(stamping(1), &golden, &[]).await;
    let said = ran.refused();
    assert!(said.contains("ok    right"), "{said}");
    assert!(said.contains("FAIL  wrong"), "{said}");
    assert!(
        said.contains("/replace/stamp\n          expected  2\n          got       1"),
        "{said}"
    );
    assert!(said.contains("expected  \"pass\""), "{said}");
    assert!(said.contains("2 of 3 cases failed"), "{said}");
    for limit in ["of 50 ms", "of 64 MiB", "of 24 MiB", "instructions"] {
        assert!(said.contains(limit), "{limit}: {said}");
    }

    let only = cli.run(&["plugin", "test", "plugin.wasm", "right"]).await;
    assert!(only.good().contains("1 case passed"));

    let update = ["plugin", "test", "plugin.wasm", "--update"];
    let said = cli.run(&update).await.good();
    assert!(
        said.contains("written down as expected now: wrong; not at all"),
        "{said}"
    );
    let expected = golden
        .replace("\"stamp\": 2", "\"stamp\": 1")
        .replace("\"pass\"", "{\"replace\": {\"stamp\": 1}}");
    assert_eq!(cli.read("tests/golden.json"), expected);
    let _ = cli.run(&["plugin", "test", "plugin.wasm"]).await.good();
}

#[tokio::test]
async fn state_kept_between_events_is_found_even_by_a_single_case() {
    let golden = format!(
        "{{\"name\": \"counts\", \"event\": {}, \"expect\": {{\"replace\": 0}}}}",
        event("1")
    );
    let (cli, ran) = tested(component("remembers"), &golden, &[]).await;
    let said = ran.refused();
    assert!(said.contains("state kept between events"), "{said}");
    assert!(said.contains("alone       {\"replace\":0}"), "{said}");
    assert!(said.contains("in a batch  {\"replace\":1}"), "{said}");
    let update = ["plugin", "test", "plugin.wasm", "--update"];
    let said = cli.run(&update).await.refused();
    assert!(
        said.contains("state kept between events"),
        "no file can allow it: {said}"
    );
}

#[tokio::test]
async fn every_verdict_and_failure_can_be_expected() {
    let case = |told: &str, expect: &str| {
        format!(
            "{{\"name\": \"{told}\", \"event\": {{\"type\": \"a\", \"data_text\": \"{told}\"}}, \
             \"expect\": {expect}}}"
        )
    };
    let cases = [
        case("p", "\"pass\""),
        case("d", "{\"drop\": \"told to\"}"),
        case("r", "{\"replace_text\": \"new data\"}"),
        case("r2", "{\"replace_base64\": \"bmV3IGRhdGE=\"}"),
        case(
            "m",
            "{\"deliver\": {\"content_type\": \"text/plain\", \"body_text\": \"new data\", \
             \"headers\": {\"X-Told\": \"told to\"}}}",
        ),
        case("i", "{\"invalid_config\": \"told to\"}"),
        case("u", "{\"unusable_event\": \"told to\"}"),
        case("a", "{\"again_later\": \"told to\"}"),
        case("u2", "{\"fails\": \"unusable-event\"}"),
        case("t", "{\"fails\": \"trap\"}"),
        case("l", "{\"fails\": \"timeout\"}"),
    ];
    let golden = format!("[{}]", cases.join(","));
    let (_cli, ran) = tested(component("verdicts"), &golden, &[]).await;
    let said = ran.good();
    assert!(said.contains("11 cases passed"), "{said}");
}

#[tokio::test]
async fn filters_folds_and_receivers_are_tested_in_their_own_way() {
    let filter = "[{\"name\": \"yes\", \"export\": \"filter\", \"event\": {\"type\": \"a\", \
        \"data_text\": \"y\"}, \"expect\": true}, {\"name\": \"no\", \"event\": {\"type\": \"a\", \
        \"data_text\": \"n\"}, \"expect\": false}, {\"name\": \"alone\", \"export\": \"transform\", \
        \"event\": {\"type\": \"a\", \"data_text\": \"n\"}, \
        \"expect\": {\"drop\": \"seen by the transform\"}}]";
    let (_cli, ran) = tested(component("filters-and-transforms"), filter, &[]).await;
    let said = ran.good();
    assert!(
        said.contains("exports filter and transform")
            || said.contains("exports transform and filter"),
        "{said}"
    );

    let fold = "{\"name\": \"both\", \"earlier\": {\"type\": \"a\", \"data_text\": \"one \"}, \
        \"later\": {\"type\": \"a\", \"data_text\": \"much\"}, \"expect\": {\"folded\": \
        {\"content_type\": \"text/plain\", \"data_text\": \"one much\"}}}";
    let (_cli, ran) = tested(component("folds"), fold, &[]).await;
    let _ = ran.good();

    let receiver = "[{\"name\": \"genuine\", \"request\": {\"body_text\": \"a!\", \"secret\": \"s\", \
        \"received_at\": \"2026-02-01T00:00:00Z\"}, \"expect\": {\"accepted\": [{\"type\": \"told.to\", \
        \"key\": \"s\", \"time\": \"2026-02-01T00:00:00Z\", \"content_type\": \"text/plain\", \
        \"data_text\": \"a!\"}]}}, {\"name\": \"challenged\", \"request\": {\"body_text\": \"c\", \
        \"query\": \"q=1\"}, \"expect\": {\"challenge\": {\"status\": 200, \"content_type\": \
        \"text/plain\", \"body_text\": \"q=1\"}}}, {\"name\": \"not genuine\", \"request\": \
        {\"body_text\": \"j\"}, \"expect\": {\"rejected\": \"told to\"}}, {\"name\": \"no events\", \
        \"request\": {\"body_text\": \"n\"}, \"expect\": {\"accepted\": []}}]";
    let (_cli, ran) = tested(component("receives"), receiver, &[]).await;
    let _ = ran.good();
}

#[tokio::test]
async fn config_claim_check_and_log_lines_are_part_of_a_case() {
    let case = |log: &str| {
        format!(
            "{{\"name\": \"surroundings\", \"config\": {{\"a\": [1]}}, \"data_url\": \
             \"https://gate.example/e/1\", \"event\": {}, \"expect\": {{\"drop\": \
             \"https://gate.example/e/1\"}}, \"logs\": [{log}]}}",
            event("1")
        )
    };
    let plugin = || component("tells-its-surroundings");
    let right = case(r#""info: {\"a\":[1]}""#);
    let (_cli, ran) = tested(plugin(), &right, &[]).await;
    let _ = ran.good();
    let (_cli, ran) = tested(plugin(), &case("\"info: nothing\""), &[]).await;
    let said = ran.refused();
    assert!(said.contains("log /0"), "{said}");
}

#[tokio::test]
async fn files_that_cannot_be_read_are_told_with_their_lines() {
    let golden = "[{\"name\": \"a\", \"event\": {\"type\": \"a\", \"dta\": 1}},\n{\"name\": \"b\", \
        \"event\": {\"type\": \"a\", \"data\": 1}, \"expect\": {\"replac\": 1}}]";
    let (cli, ran) = tested(stamping(1), golden, &[]).await;
    let said = ran.refused();
    assert!(
        said.contains("tests/golden.json:1: event.dta: unknown field"),
        "{said}"
    );
    assert!(
        said.contains("tests/golden.json:2: expect: unknown variant `replac`"),
        "{said}"
    );

    let fold = "{\"name\": \"a\", \"earlier\": {\"type\": \"a\", \"data\": 1}, \"later\": \
        {\"type\": \"a\", \"data\": 1}, \"expect\": \"pass\"}";
    cli.write("tests/golden.json", fold);
    let said = cli.run(&["plugin", "test", "plugin.wasm"]).await.refused();
    assert!(
        said.contains("the plugin exports transform, and the case is for fold"),
        "{said}"
    );

    let said = cli
        .run(&["plugin", "test", "plugin.wasm", "nothing like it"])
        .await
        .refused();
    assert!(said.contains("there are: a"), "{said}");
    let words = ["plugin", "test", "plugin.wasm", "--tests", "elsewhere"];
    let said = cli.run(&words).await.refused();
    assert!(
        said.contains("no golden files") && said.contains("cure:"),
        "{said}"
    );
}

#[tokio::test]
async fn machines_get_the_same_as_people() {
    let golden = format!(
        "{{\"name\": \"exact\", \"event\": {}, \"expect\": {{\"replace\": 1.50}}}}",
        event("1")
    );
    let (cli, ran) = tested(stamping(1), &golden, &["--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.out.contains("\"expected\":1.50"),
        "numbers keep their text: {ran}"
    );
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&told["passed"], &told["failed"]), (&0.into(), &1.into()));
    let case = &told["cases"][0];
    assert_eq!(case["faults"][0]["fault"], "answer");
    assert_eq!(case["answer"]["replace"]["stamp"], 1);
    assert!(case["cost"]["fuel"].as_u64().unwrap() > 0);
    assert_eq!(told["limits"]["duration_us"], 50_000);

    cli.write("event.json", event("1"));
    let ran = cli.run(&["plugin", "run", "plugin.wasm", "--json"]).await;
    let told: Value = serde_json::from_str(&ran.good()).unwrap();
    assert_eq!(told["answer"]["replace"]["stamp"], 1);
    assert_eq!(
        told["cost"]["fuel"], case["cost"]["fuel"],
        "the same in every run"
    );

    let words = ["plugin", "bench", "plugin.wasm", "--calls", "150", "--json"];
    let told: Value = serde_json::from_str(&cli.run(&words).await.good()).unwrap();
    assert_eq!(told["fuel"], case["cost"]["fuel"]);
    for kind in ["fresh", "start", "in_a_batch"] {
        let spread = &told[kind];
        assert!(
            spread["p50_ns"].as_u64() <= spread["p99_ns"].as_u64(),
            "{told}"
        );
    }

    let told = cli
        .run(&["plugin", "inspect", "plugin.wasm", "--json"])
        .await;
    let told: Value = serde_json::from_str(&told.good()).unwrap();
    assert_eq!(told["exports"][0], "transform");
    assert_eq!(told["resources"]["initial_memory_bytes"], 16 * 65_536);
}

#[tokio::test]
async fn an_event_is_shown_to_a_component_and_its_answer_told() {
    let cli = Cli::new();
    cli.write("plugin.wasm", stamping(1));
    let words = ["plugin", "run", "plugin.wasm"];
    let said = cli.run(&words).await.refused();
    assert!(
        said.contains("no event to show") && said.contains("cure:"),
        "{said}"
    );

    cli.write("e.json", event("{\"id\": 1}"));
    let words = ["plugin", "run", "plugin.wasm", "--event", "e.json"];
    let said = cli.run(&words).await.good();
    assert!(said.contains("verdict  replace\n{\"stamp\": 1}"), "{said}");
    assert!(
        said.contains("of 50 ms") && said.contains("of 64 MiB"),
        "{said}"
    );

    cli.write("e.json", event("2"));
    let said = cli.run(&words).await.refused();
    assert!(said.contains("failed   trap"), "{said}");
    cli.write("e.json", "{\"type\": 1}");
    let said = cli.run(&words).await.refused();
    assert!(said.contains("e.json: line 1: type"), "{said}");
}

#[tokio::test]
async fn a_check_lists_every_check_with_its_result_and_the_cure() {
    let cli = Cli::new();
    cli.write("good.wasm", stamping(1));
    cli.write("clock.wasm", component("imports-a-clock"));
    cli.write("not.wasm", "hello");
    let said = cli.run(&["plugin", "check", "good.wasm"]).await.good();
    assert!(
        said.lines()
            .all(|line| line.trim_start().starts_with("ok ")),
        "{said}"
    );
    assert!(said.lines().count() >= 5, "{said}");

    let said = cli.run(&["plugin", "check", "clock.wasm"]).await.refused();
    assert!(
        said.contains("ok ") && said.contains("refused  imports"),
        "{said}"
    );
    assert!(said.contains("wasi:") && said.contains("cure:"), "{said}");
    let said = cli.run(&["plugin", "check", "not.wasm"]).await.refused();
    assert!(said.contains("cure:"), "{said}");
    let said = cli.run(&["plugin", "check", "clock.wasm", "--json"]).await;
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        report["checks"].as_array().unwrap().last().unwrap()["ok"],
        false
    );
    let words = ["plugin", "inspect", "clock.wasm"];
    let said = cli.run(&words).await.refused();
    assert!(
        said.contains("would not be taken") && said.contains("cure:"),
        "{said}"
    );
}
