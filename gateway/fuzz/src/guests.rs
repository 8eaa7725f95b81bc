//! What plugins bring: components as they are uploaded, and verdicts as their memory holds them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hookgate_plugin_host::{
    Answer, CallFailure, CompileWorker, GuestEvent, HostConfig, Limits, PluginHost, PoolSize,
    Question, Trial, TrialCall, Verdict,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Names the binary whose `compile-worker` compiles; `target/debug/hookgate` where it is not set.
const BINARY: &str = "HOOKGATE_BINARY";

/// Answers with the event's data as they are, taken for the memory of a verdict: kind, pointers,
/// lengths and all.
const ANSWERS_RAW: &str = r#"(module
  (memory (export "memory") 16)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "hookgate:plugin/transform@1.0.0#handle") (param $event i32) (result i32)
    (i32.load offset=76 (local.get $event))))"#;

/// A host, and the plugin that answers raw.
pub struct Guests {
    runtime: Runtime,
    host: PluginHost,
    raw: Trial,
    limits: Limits,
    _folder: TempDir,
}

/// The host of a fuzz target: one for the whole process.
///
/// # Panics
/// Where the gateway's binary is not built.
pub fn guests() -> &'static Guests {
    static GUESTS: OnceLock<Guests> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let named = std::env::var_os(BINARY).map(PathBuf::from);
        let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/hookgate");
        Guests::start(named.unwrap_or_else(|| PathBuf::from(built)))
    })
}

impl Guests {
    /// # Panics
    /// Where `binary` is none that compiles plugins.
    #[must_use]
    pub fn start(binary: PathBuf) -> Self {
        assert!(
            binary.is_file(),
            "{} is not there: `cargo build -p hookgate` first, or name it in {BINARY}",
            binary.display()
        );
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let limits = Limits::default();
        let config = HostConfig {
            cache_dir: folder.path().join("artefacts"),
            compile_worker: CompileWorker {
                program: binary,
                arguments: vec!["compile-worker".to_owned()],
            },
            threads: 1,
            limits: limits.clone(),
            pool: PoolSize { max_instances: 16 },
        };
        let host = {
            let _inside = runtime.enter();
            PluginHost::start(config).expect("the host can be started")
        };
        let raw = runtime
            .block_on(host.timed_trial(component(ANSWERS_RAW), Arc::from("fuzz")))
            .expect("the plugin that answers raw is taken");
        Self {
            runtime,
            host,
            raw,
            limits,
            _folder: folder,
        }
    }

    /// What is refused has a reason and a cure; what is taken is within its bounds.
    pub fn component(&self, bytes: &[u8]) {
        let length = bytes.len();
        let inspecting = self.host.inspect(Bytes::copy_from_slice(bytes));
        match self.runtime.block_on(inspecting) {
            Ok(inspected) => {
                assert!(!inspected.exports.is_empty());
                assert!(length <= self.limits.max_component_bytes);
            }
            Err(refused) => {
                assert!(!refused.detail.is_empty() && !refused.cure.is_empty());
                assert!(!refused.detail.contains('\u{1b}'), "not escaped: {refused}");
            }
        }
    }

    /// Whatever a plugin's memory holds where its answer should be: a verdict within its bounds, or
    /// a failure of this call alone.
    pub fn verdict(&self, bytes: &[u8]) {
        let run = self.runtime.block_on(self.raw.fresh(&call(bytes)));
        match run.result {
            Ok(Answer::Verdict(Verdict::Deliver(message))) => {
                for (name, value) in &message.headers {
                    let text = format!("{name}{value}");
                    assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
                }
            }
            Ok(Answer::Verdict(_)) => {}
            Ok(other) => panic!("a transform has answered {other:?}"),
            Err(CallFailure::Overloaded) => panic!("the host has no room for one call"),
            Err(_) => {}
        }
    }
}

fn call(data: &[u8]) -> TrialCall {
    TrialCall {
        question: Question::Transform(GuestEvent {
            id: Arc::from("evt_1"),
            source: Arc::from("fuzz"),
            event_type: Arc::from("a.b"),
            subject: None,
            time_ms: 1_790_000_000_000,
            tenant: Arc::from("fuzz"),
            key: None,
            content_type: Arc::from("application/octet-stream"),
            data: Bytes::copy_from_slice(data),
            attributes: Arc::from([]),
        }),
        config: Arc::from("{}"),
        data_url: Arc::from(""),
        limits: None,
    }
}

fn component(text: &str) -> Bytes {
    let mut module = wat::parse_str(text).expect("the text is WebAssembly");
    let mut resolve = Resolve::default();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (contract, _) = resolve
        .push_dir(find(contract))
        .expect("the contract is well-formed");
    let world = resolve
        .select_world(&[contract], Some("transform-plugin"))
        .expect("the contract has this world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the module can say what it is");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module fits its world")
        .into()
}

/// The folder of the contract, also from the tests' package, where this file is compiled too.
fn find(contract: &str) -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"));
    if beside.is_dir() {
        beside
    } else {
        PathBuf::from(contract)
    }
}
