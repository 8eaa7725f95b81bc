//! The plugins inside the binary, as components: their golden files, and real payloads beside the same
//! plugin run natively.
//!
//! `cargo xtask test` builds them and names their folder in `HOOKGATE_SHIPPED_PLUGINS`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hookgate_plugin::{Event, Transform, json, testing};
use hookgate_plugin_host::{
    Answer, CompileWorker, GuestEvent, HostConfig, Limits, PluginHost, PoolSize, Question,
    TrialCall, Verdict,
};
use hookgate_tests::gateway::binary;
use hookgate_tests::{Cli, Gateway, Receiver};
use serde_json::{Value, json};

use crate::github_payloads::{Payload, payloads};

const SALT: &str = "sixteen bytes or more";

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HOOKGATE_SHIPPED_PLUGINS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("LEFT OUT: HOOKGATE_SHIPPED_PLUGINS is not set; `cargo xtask test` sets it");
    }
    folder
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
}

#[tokio::test]
async fn every_shipped_plugin_passes_its_golden_files_as_a_component() {
    let Some(folder) = folder() else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "wasm"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.contains(&"redact".to_owned()), "{names:?}");
    let cli = Cli::new();
    for name in names {
        let component = folder.join(format!("{name}.wasm"));
        let tests = sources().join(&name).join("tests");
        let words = [component, tests].map(|path| path.to_str().unwrap().to_owned());
        let said = cli
            .run(&["plugin", "test", &words[0], "--tests", &words[1]])
            .await
            .good();
        assert!(said.contains(" cases passed"), "{name}: {said}");
        assert!(sources().join(&name).join("README.md").is_file(), "{name}");
    }
}

#[tokio::test]
async fn a_shipped_plugin_is_compiled_when_a_subscription_first_wants_it() {
    if folder().is_none() {
        return;
    }
    let gateway = Gateway::fresh().await;
    assert_eq!(compiled(&gateway), 0);
    let receiver = Receiver::accepting().await;
    let plugin = json!({"name": "redact", "config": {"mask": ["/a"]}});
    let body = json!({"event_types": ["*"], "plugins": [plugin]});
    gateway.subscribe_with(body, &receiver).await;

    gateway
        .send(hookgate_tests::event("a.b").raw_data(r#"{"a":1,"b":2}"#))
        .await;
    gateway.settled().await;

    let data = receiver.receipts()[0].json()["data"].clone();
    assert_eq!(data, json!({"a": "***", "b": 2}));
    assert_eq!(compiled(&gateway), 1, "and no other");
}

/// Machine code that a gateway has made so far.
fn compiled(gateway: &Gateway) -> usize {
    let cache = gateway
        .plugin_folder()
        .parent()
        .unwrap()
        .join("plugin-cache");
    let files = std::fs::read_dir(cache).unwrap();
    files
        .filter(|file| {
            let path = file.as_ref().unwrap().path();
            path.extension().is_some_and(|it| it == "cwasm")
        })
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_payloads_come_out_alike_natively_and_as_a_component() {
    let (Some(folder), Some(payloads)) = (folder(), payloads()) else {
        return;
    };
    let redacting = json!({"mask": ["/sender/login", "/commits/*/author/email", "/repository/owner"],
        "hash": ["/repository/full_name", "/sender/id"], "salt": SALT});
    let redacted = compare::<redact::Redact>(&folder, "redact", &redacting, &payloads).await;
    for (payload, data) in payloads.iter().zip(redacted) {
        assert_eq!(
            serde_json::from_slice::<Value>(&data).unwrap(),
            redacted_value(&payload.value),
            "{}",
            payload.event_type
        );
    }

    let shaping = json!({"missing": "null", "template": {
        "action": {"$": "/data/action"},
        "all": {"$": "/data"},
        "kind": {"$": "/type"},
        "repo": {"$": "/data/repository/full_name"},
        "who": {"$text": "{/data/sender/login} ({/data/sender/id})"},
    }});
    let reshaped = compare::<reshape::Reshape>(&folder, "reshape", &shaping, &payloads).await;
    for (payload, data) in payloads.iter().zip(reshaped) {
        let text = String::from_utf8(data).unwrap();
        assert!(
            text.contains(payload.text.get()),
            "the data's own text is inside"
        );
        let (value, shaped) = (
            &payload.value,
            serde_json::from_str::<Value>(&text).unwrap(),
        );
        assert_eq!(shaped["action"], value["action"]);
        assert_eq!(shaped["repo"], value["repository"]["full_name"]);
        assert_eq!(shaped["kind"], payload.event_type.as_str());
        if let (Some(login), Some(id)) = (
            value["sender"]["login"].as_str(),
            value["sender"]["id"].as_u64(),
        ) {
            assert_eq!(shaped["who"], format!("{login} ({id})"));
        }
    }
}

/// What both give for each payload, byte for byte the same.
async fn compare<P: Transform>(
    folder: &Path,
    name: &str,
    config: &Value,
    payloads: &[Payload],
) -> Vec<Vec<u8>> {
    let text = config.to_string();
    let native: P::Config = json::from_str(&text).unwrap();
    let (host, _cache) = host();
    let component = std::fs::read(folder.join(format!("{name}.wasm"))).unwrap();
    let trial = host.trial(component.into(), "default".into()).await;
    let trial = trial.unwrap();
    let calls: Vec<TrialCall> = payloads
        .iter()
        .map(|payload| TrialCall {
            question: Question::Transform(guest(payload)),
            config: text.as_str().into(),
            data_url: "".into(),
            limits: Some(Arc::new(Limits {
                // A busy machine counts instructions slowly.
                time_per_event: Duration::from_secs(10),
                time_per_batch: Duration::from_secs(600),
                max_batch_bytes: 1 << 30,
                ..Limits::default()
            })),
        })
        .collect();
    let started_at = Instant::now();
    let runs = trial.batch(&calls).await;
    eprintln!(
        "{name}: {} payloads in {:?}",
        runs.len(),
        started_at.elapsed()
    );
    assert_eq!(runs.len(), payloads.len());
    let outcomes = payloads.iter().zip(runs).map(|(payload, run)| {
        let made = P::handle(event(payload), &native);
        let made = match made.unwrap() {
            hookgate_plugin::Verdict::Replace(data) => data,
            hookgate_plugin::Verdict::Pass => payload.text.get().into(),
            other => panic!("{}: {other:?}", payload.event_type),
        };
        match run.result.unwrap() {
            Answer::Verdict(Verdict::Replace(data)) => assert_eq!(data, made),
            Answer::Verdict(Verdict::Pass) => assert_eq!(made, payload.text.get().as_bytes()),
            other => panic!("{}: {other:?}", payload.event_type),
        }
        made
    });
    outcomes.collect()
}

/// What `redact` must leave, worked out without it.
fn redacted_value(value: &Value) -> Value {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let hash = |text: &str| {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(SALT.as_bytes()).unwrap();
        let tag = mac.chain_update(text).finalize().into_bytes();
        Value::from(
            tag.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    };
    let mut value = value.clone();
    for pointer in ["/sender/login", "/repository/owner"] {
        if let Some(found) = value.pointer_mut(pointer) {
            *found = "***".into();
        }
    }
    for pointer in ["/repository/full_name", "/sender/id"] {
        if let Some(found) = value.pointer_mut(pointer) {
            *found = hash(&found.as_str().map_or(found.to_string(), str::to_owned));
        }
    }
    // Looked up, not indexed: an index would add the member where it is missing.
    if let Some(commits) = value.get_mut("commits").and_then(Value::as_array_mut) {
        for commit in commits {
            if let Some(email) = commit.pointer_mut("/author/email") {
                *email = "***".into();
            }
        }
    }
    value
}

fn event(payload: &Payload) -> Event {
    let mut event = testing::event(payload.text.get());
    event.event_type.clone_from(&payload.event_type);
    event
}

fn guest(payload: &Payload) -> GuestEvent {
    let event = event(payload);
    GuestEvent {
        id: event.id.into(),
        source: event.source.into(),
        event_type: event.event_type.into(),
        subject: None,
        time_ms: event.time_ms,
        tenant: event.tenant.into(),
        key: None,
        content_type: event.content_type.into(),
        data: Bytes::from(event.data),
        attributes: Vec::new().into(),
    }
}

fn host() -> (PluginHost, tempfile::TempDir) {
    let cache = tempfile::tempdir().unwrap();
    let host = PluginHost::start(HostConfig {
        cache_dir: cache.path().join("cache"),
        compile_worker: CompileWorker {
            program: binary(),
            arguments: vec!["compile-worker".to_owned()],
        },
        threads: 1,
        limits: Limits::default(),
        pool: PoolSize::default(),
    });
    (host.unwrap(), cache)
}
