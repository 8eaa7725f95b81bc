//! What a plugin costs for an event, in this process and without anything around it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hookgate_plugin::Transform as _;
use hookgate_plugin_host::{
    BatchJob, CompileWorker, GuestEvent, HostConfig, Limits, LoadedPlugin, PluginHost, PoolSize,
    no_data_urls,
};

use super::{Figures, median};

const EVENTS: usize = 100;
const REPETITIONS: usize = 200;
const SKINNY: &str = r#"{"keep": ["/id", "/customer/email", "/status"]}"#;
const SLACK: &str = r#"{"text": "Invoice {/data/id} of {/data/customer/email} is {/data/status}"}"#;

pub(super) async fn measure(
    skinny: &Bytes,
    slack: &Bytes,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let host = PluginHost::start(HostConfig {
        cache_dir: folder.path().join("artefacts"),
        compile_worker: CompileWorker {
            program: crate::gateway::binary(),
            arguments: vec!["compile-worker".to_owned()],
        },
        threads: 2,
        limits: Limits::default(),
        pool: PoolSize::default(),
    })?;
    let data = data();
    // Turn by turn, so that both meet the same minute of the machine.
    let plugin = host.prepare(skinny.clone()).await?.plugin;
    let config: skinny::Config = serde_json::from_str(SKINNY)?;
    let (mut native, mut guest, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        native.push(natively(&data, &config));
        let cost = batch(&host, (&plugin, SKINNY), &data).await;
        guest.push(cost.cpu_us);
        whole.push(cost.wall_us);
    }
    let (native, guest) = (median(native), median(guest));
    figures.note("skinny natively, an event of 1 KB", native, "us");
    figures.bound(
        "skinny as a plugin, in a batch of 100 (1.5x + 2 us)",
        guest,
        "us",
        native * 1.5 + 2.0,
    );
    figures.note(
        "  the same with waiting and the way there",
        median(whole),
        "us",
    );

    let plugin = host.prepare(slack.clone()).await?.plugin;
    let mut guest = Vec::new();
    for _ in 0..REPETITIONS / 4 {
        guest.push(batch(&host, (&plugin, SLACK), &data).await.cpu_us);
    }
    figures.bound(
        "slack (JavaScript), in a batch of 100",
        median(guest),
        "us",
        100.0,
    );
    Ok(())
}

/// A plausible event of about 1 KB.
pub(super) fn data() -> String {
    let lines: Vec<String> = (0..10)
        .map(|line| {
            format!(
                r#"{{"sku": "A-{line:04}", "name": "An article with a name of some length", "amount": {line}, "cents": {}}}"#,
                1200 + line
            )
        })
        .collect();
    format!(
        r#"{{"id": "inv_1234567890", "status": "paid", "customer": {{"email": "someone@example.com", "city": "Graz"}}, "lines": [{}]}}"#,
        lines.join(", ")
    )
}

fn natively(data: &str, config: &skinny::Config) -> f64 {
    let started_at = Instant::now();
    for _ in 0..EVENTS {
        let event = hookgate_plugin::testing::event(black_box(data));
        let verdict = skinny::Skinny::handle(event, config);
        assert!(black_box(verdict).is_ok(), "skinny takes the event");
    }
    per_event(started_at.elapsed())
}

struct Cost {
    /// The guest's and the host's on the plugin thread, making the instance included.
    cpu_us: f64,
    wall_us: f64,
}

async fn batch(
    host: &PluginHost,
    (plugin, config): (&Arc<LoadedPlugin>, &str),
    data: &str,
) -> Cost {
    let job = BatchJob {
        tenant: Arc::from("acme"),
        plugin: Arc::clone(plugin),
        config: Arc::from(config),
        events: vec![event(data); EVENTS],
        data_urls: no_data_urls(),
        limits: Arc::new(Limits::default()),
    };
    let started_at = Instant::now();
    let calls = host.run_batch(job).await.calls;
    let wall = started_at.elapsed();
    let mut cpu = Duration::ZERO;
    for call in &calls {
        assert!(call.result.is_ok(), "{:?}", call.result);
        cpu += call.cpu + call.start.map_or(Duration::ZERO, |start| start.cpu);
    }
    Cost {
        cpu_us: per_event(cpu),
        wall_us: per_event(wall),
    }
}

fn event(data: &str) -> GuestEvent {
    GuestEvent {
        id: Arc::from("evt_1"),
        source: Arc::from("shop/orders"),
        event_type: Arc::from("invoice.paid"),
        subject: None,
        time_ms: 1_790_000_000_000,
        tenant: Arc::from("acme"),
        key: None,
        content_type: Arc::from("application/json"),
        data: Bytes::copy_from_slice(data.as_bytes()),
        attributes: Arc::from([]),
    }
}

fn per_event(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / EVENTS as f64
}
