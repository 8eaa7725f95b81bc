//! Trials: each export asked alone, fresh or in one instance, with exact counts.

use crate::support::{TestHost, component, event, request};
use bytes::Bytes;
use hookgate_plugin_host::{
    Answer, CallFailure, Limits, Question, Reception, Trial, TrialCall, TrialRun, Verdict,
};
use std::sync::Arc;
use std::time::Duration;

async fn trial(host: &TestHost, name: &str) -> Trial {
    let tenant = Arc::from("acme");
    host.host.trial(component(name), tenant).await.unwrap()
}

fn call(question: Question) -> TrialCall {
    TrialCall {
        question,
        config: Arc::from("{}"),
        data_url: Arc::from("https://hookgate.example/e"),
        limits: None,
    }
}

fn transform(data: &str) -> TrialCall {
    call(Question::Transform(event(data)))
}

fn shown(run: &TrialRun) -> String {
    match &run.result {
        Ok(Answer::Verdict(Verdict::Replace(data))) => String::from_utf8_lossy(data).into_owned(),
        Ok(answer) => format!("{answer:?}"),
        Err(failure) => failure.kind().to_owned(),
    }
}

#[tokio::test]
async fn each_export_can_be_asked_alone() {
    let host = TestHost::start();
    let both = trial(&host, "filters-and-transforms").await;
    let accepts = |run: TrialRun| match run.result {
        Ok(Answer::Accepts(accepts)) => accepts,
        other => panic!("{other:?}"),
    };
    assert!(accepts(
        both.fresh(&call(Question::Filter(event("yes")))).await
    ));
    assert!(!accepts(
        both.fresh(&call(Question::Filter(event("no")))).await
    ));
    for question in [
        Question::Transform(event("no")),
        Question::Delivery(event("yes")),
    ] {
        let run = both.fresh(&call(question)).await;
        assert!(shown(&run).contains("seen by the transform"), "{run:?}");
    }
    let dropped = both.fresh(&call(Question::Delivery(event("no")))).await;
    assert!(shown(&dropped).contains("did not accept"), "{dropped:?}");

    let pair = Question::Fold {
        earlier: event("one,"),
        later: event("merged"),
    };
    let folded = trial(&host, "folds").await.fresh(&call(pair.clone())).await;
    assert!(matches!(folded.result, Ok(Answer::Folded(event)) if event.data == "one,merged"));
    let received = trial(&host, "receives").await;
    let received = received
        .fresh(&call(Question::Receive(request("none"))))
        .await;
    assert!(matches!(
        received.result,
        Ok(Answer::Reception(Reception::Accepted(drafts))) if drafts.is_empty()
    ));
    let wanted = "`fold`";
    assert_eq!(
        both.fresh(&call(pair)).await.result.unwrap_err(),
        CallFailure::NotExported { wanted }
    );
}

#[tokio::test]
async fn the_same_question_costs_the_same_instructions() {
    let host = TestHost::start();
    let trial = trial(&host, "verdicts").await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let run = trial.fresh(&transform("replace")).await;
        assert_eq!(shown(&run), "new data");
        assert!(run.memory_bytes >= 16 * 65_536);
        counts.push((run.fuel, run.start_fuel));
    }
    assert!(counts[0].0 > 0);
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[tokio::test]
async fn a_batch_shares_an_instance_and_a_fresh_call_does_not() {
    let host = TestHost::start();
    let trial = trial(&host, "remembers").await;
    let calls = [
        transform("a"),
        transform("b"),
        transform("trap"),
        transform("c"),
    ];
    let runs: Vec<String> = trial.batch(&calls).await.iter().map(shown).collect();
    assert_eq!(runs, ["0", "1", "trap", "0"]);
    for call in &calls[..2] {
        assert_eq!(shown(&trial.fresh(call).await), "0");
    }
    // Another config is another subscription's, hence another instance's.
    let other = TrialCall {
        config: Arc::from(r#"{"other":true}"#),
        ..transform("b")
    };
    let runs = trial.batch(&[transform("a"), other, transform("c")]).await;
    let runs: Vec<String> = runs.iter().map(shown).collect();
    assert_eq!(runs, ["0", "0", "0"]);
}

#[tokio::test]
async fn crashes_do_not_keep_later_calls_from_being_asked() {
    let host = TestHost::start();
    let trial = trial(&host, "remembers").await;
    let calls: Vec<TrialCall> = ["trap", "trap", "trap", "trap", "a"].map(transform).into();
    let runs: Vec<String> = trial.batch(&calls).await.iter().map(shown).collect();
    assert_eq!(runs, ["trap", "trap", "trap", "trap", "0"]);
}

#[tokio::test]
async fn a_trial_has_its_own_claim_check_and_limits() {
    let host = TestHost::start();
    let surroundings = trial(&host, "tells-its-surroundings").await;
    let run = surroundings.fresh(&transform("x")).await;
    assert!(
        shown(&run).contains("https://hookgate.example/e"),
        "{run:?}"
    );
    assert_eq!(run.logs[0].text, "{}");

    let limits = Limits {
        max_output_bytes: 4,
        time_per_event: Duration::from_millis(5),
        ..Limits::default()
    };
    let strict = |data| TrialCall {
        limits: Some(Arc::new(limits.clone())),
        ..transform(data)
    };
    let verdicts = trial(&host, "verdicts").await;
    let runs = verdicts.batch(&[strict("replace"), strict("loop")]).await;
    let limit = Duration::from_millis(5);
    assert_eq!(
        runs[0].result.as_ref().unwrap_err(),
        &CallFailure::OutputTooLarge { max_bytes: 4 }
    );
    assert_eq!(
        runs[1].result.as_ref().unwrap_err(),
        &CallFailure::TimedOut { limit }
    );
}

/// P15: the same input a thousand times.
#[tokio::test]
async fn a_thousand_answers_to_one_question_are_equal() {
    let host = TestHost::start();
    let trial = trial(&host, "verdicts").await;
    let calls = vec![transform("replace"); 1000];
    let runs = trial.batch(&calls).await;
    let expected = Bytes::from_static(b"new data");
    assert!(runs.iter().all(|run| matches!(
        &run.result,
        Ok(Answer::Verdict(Verdict::Replace(data))) if *data == expected
    )));
    assert!(runs.iter().all(|run| run.fuel == runs[0].fuel));
}
