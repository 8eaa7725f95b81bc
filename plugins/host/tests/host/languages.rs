//! A plugin in every language of the kit fits the limits, starts in time and answers in time.
//!
//! The limits were chosen so that all six fit (CPython alone takes 18 MB and 38 core
//! modules); a compiler that outgrows them shall be met here and not by an author. Fetches
//! and runs six toolchains, so it is part of the full run only.

use crate::support::{TestHost, batch, event};
use bytes::Bytes;
use hookgate_plugin_host::{BatchJob, CallReport, Limits, LoadedPlugin, Verdict};
use hookgate_plugin_kit::{Export, Language, Options, build, template};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const EVENTS: usize = 100;
const FRESH: usize = 20;

#[tokio::test]
async fn a_plugin_in_each_language_fits_the_limits() {
    if std::env::var_os("HOOKGATE_FULL").is_none() {
        eprintln!("LEFT OUT: HOOKGATE_FULL is not set. `cargo xtask test --full` sets it.");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start();
    eprintln!("language     KB  compile ms  start ms  memory KB  µs/event in 100  µs/event fresh");
    for language in Language::ALL {
        let component = built(language, folder.path());
        let size_bytes = component.len();
        // Every limit of an upload is a check of its own: size, shape, compile, start.
        let prepared = host
            .host
            .prepare(component)
            .await
            .unwrap_or_else(|refused| panic!("{language}: {refused} {:?}", refused.report.checks));
        let row = Row {
            size_bytes,
            compile: prepared.compile_time,
            batch: in_one_instance(&host, &prepared.plugin).await,
            fresh: each_in_its_own(&host, &prepared.plugin).await,
        };
        row.print(language);
        row.check(language);
    }
}

/// The component of the project that `hookgate plugin new` makes.
fn built(language: Language, folder: &Path) -> Bytes {
    let dir = folder.join(language.name());
    // The folder of the shipped plugins, so that Rust's standard library is built once.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    template::create(language.name(), language, Export::Transform, &dir).unwrap();
    let options = Options {
        out_dir: folder.to_owned(),
        target_dir: kept.join("guests"),
        ..Options::from_environment(kept, |line| eprintln!("{line}"))
    };
    let built = build(&dir, &options).unwrap_or_else(|error| panic!("{language}: {error}"));
    std::fs::read(built.path).unwrap().into()
}

struct Row {
    size_bytes: usize,
    compile: Duration,
    batch: Vec<CallReport>,
    fresh: Vec<CallReport>,
}

async fn in_one_instance(host: &TestHost, plugin: &Arc<LoadedPlugin>) -> Vec<CallReport> {
    host.host.run_batch(job(plugin, EVENTS)).await.calls
}

async fn each_in_its_own(host: &TestHost, plugin: &Arc<LoadedPlugin>) -> Vec<CallReport> {
    let mut reports = Vec::new();
    for _ in 0..FRESH {
        reports.extend(host.host.run_batch(job(plugin, 1)).await.calls);
    }
    reports
}

/// Events of about 1 KB.
fn job(plugin: &Arc<LoadedPlugin>, events: usize) -> BatchJob {
    let data = format!(r#"{{"id": 42.0, "lines": ["{}"]}}"#, "x".repeat(1000));
    BatchJob {
        config: Arc::from(r#"{"note": "hello"}"#),
        events: vec![event(&data); events],
        ..batch(plugin, "acme", &[])
    }
}

impl Row {
    fn check(&self, language: Language) {
        let limits = Limits::default();
        let expected = br#"{"type":"invoice.paid","id":42.0,"note":"hello"}"#;
        for report in self.batch.iter().chain(&self.fresh) {
            match &report.result {
                Ok(Verdict::Replace(data)) => assert_eq!(&data[..], expected, "{language}"),
                other => panic!("{language}: {other:?}, {:?}", report.logs),
            }
            // Half of what is there stays for the author.
            assert!(
                report.memory_bytes <= limits.max_memory_bytes / 2,
                "{language}"
            );
        }
        let starts = self.fresh.iter().filter_map(|report| report.start).count();
        assert_eq!(starts, FRESH, "{language}: not every instance was fresh");
        assert_eq!(self.batch.len(), EVENTS, "{language}");
        let made = self.batch.iter().filter(|it| it.start.is_some()).count();
        assert_eq!(made, 1, "{language}: a batch is served by one instance");
        // Processor time, as the wall's depends on who else is on the machine.
        assert!(
            median(&self.fresh, |it| it.cpu) < limits.time_per_event / 2,
            "{language}"
        );
        assert!(self.start() < limits.time_to_instantiate / 2, "{language}");
    }

    fn print(&self, language: Language) {
        let memory = self
            .batch
            .iter()
            .map(|it| it.memory_bytes)
            .max()
            .unwrap_or(0);
        let fresh = median(&self.fresh, |it| {
            it.cpu + it.start.map_or(Duration::ZERO, |start| start.cpu)
        });
        eprintln!(
            "{:8} {:>6} {:>11} {:>9.1} {:>10} {:>16} {:>15}",
            language.name(),
            self.size_bytes / 1024,
            self.compile.as_millis(),
            self.start().as_secs_f64() * 1000.0,
            memory / 1024,
            median(&self.batch, |it| it.cpu).as_micros(),
            fresh.as_micros(),
        );
    }

    fn start(&self) -> Duration {
        median(&self.fresh, |it| {
            it.start.map_or(Duration::ZERO, |start| start.cpu)
        })
    }
}

fn median(reports: &[CallReport], of: impl Fn(&CallReport) -> Duration) -> Duration {
    let mut times: Vec<Duration> = reports.iter().map(of).collect();
    times.sort_unstable();
    times[times.len() / 2]
}
