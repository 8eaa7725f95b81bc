//! A host in a folder of its own, and components made from text.

use bytes::Bytes;
use hookgate_plugin_host::{
    BatchJob, CallReport, CompileWorker, GuestEvent, GuestRequest, HostConfig, Limits,
    LoadedPlugin, PluginHost, PoolSize, Refused, no_data_urls,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A world that the contract leaves to authors who want it.
const OWN_WORLDS: &str = "package test:worlds;
world filter-and-transform {
    include hookgate:plugin/filter-plugin@1.0.0;
    include hookgate:plugin/transform-plugin@1.0.0;
}";

pub(crate) struct TestHost {
    pub(crate) host: PluginHost,
    pub(crate) folder: TempDir,
}

pub(crate) fn worker() -> CompileWorker {
    CompileWorker {
        program: PathBuf::from(env!("CARGO_BIN_EXE_hookgate-compile-worker")),
        arguments: Vec::new(),
    }
}

impl TestHost {
    pub(crate) fn start() -> Self {
        Self::start_with(Limits::default(), worker())
    }

    pub(crate) fn start_with(limits: Limits, worker: CompileWorker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = start_in(folder.path(), limits, worker);
        Self { host, folder }
    }

    pub(crate) async fn load(&self, name: &str) -> Arc<LoadedPlugin> {
        self.host.prepare(component(name)).await.unwrap().plugin
    }

    /// Runs events with these data through the plugin `name`, as one batch.
    pub(crate) async fn run(&self, name: &str, data: &[&str]) -> Vec<CallReport> {
        let plugin = self.load(name).await;
        self.host
            .run_batch(batch(&plugin, "acme", data))
            .await
            .calls
    }

    pub(crate) async fn refusal_of(&self, component: Bytes) -> Refused {
        self.host
            .prepare(component)
            .await
            .expect_err("the component is refused")
    }
}

pub(crate) fn start_in(folder: &Path, limits: Limits, worker: CompileWorker) -> PluginHost {
    let config = HostConfig {
        cache_dir: folder.join("artefacts"),
        compile_worker: worker,
        threads: 2,
        limits,
        pool: PoolSize { max_instances: 16 },
    };
    PluginHost::start(config).unwrap()
}

pub(crate) fn batch(plugin: &Arc<LoadedPlugin>, tenant: &str, data: &[&str]) -> BatchJob {
    BatchJob {
        tenant: Arc::from(tenant),
        plugin: Arc::clone(plugin),
        config: Arc::from(r#"{"keep":["/id"]}"#),
        events: data.iter().map(|data| event(data)).collect(),
        data_urls: no_data_urls(),
        limits: Arc::new(Limits::default()),
    }
}

pub(crate) fn event(data: &str) -> GuestEvent {
    GuestEvent {
        id: Arc::from("evt_1"),
        source: Arc::from("shop/orders"),
        event_type: Arc::from("invoice.paid"),
        subject: None,
        time_ms: 1_790_000_000_000,
        tenant: Arc::from("acme"),
        key: Some(Arc::from("customer-7")),
        content_type: Arc::from("application/json"),
        data: Bytes::copy_from_slice(data.as_bytes()),
        attributes: Arc::from([("region".to_owned(), "eu".to_owned())]),
    }
}

pub(crate) fn request(body: &str) -> GuestRequest {
    GuestRequest {
        method: Arc::from("POST"),
        path: Arc::from("/"),
        query: Arc::from("challenge=x"),
        headers: Arc::from([("x-signature".to_owned(), "v1=abc".to_owned())]),
        body: Bytes::copy_from_slice(body.as_bytes()),
        secret: Some(Arc::from("s3cret")),
        received_ms: 1_790_000_000_001,
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the text of a component stands.
pub(crate) fn path_of(name: &str) -> PathBuf {
    repository()
        .join("tests/components")
        .join(name)
        .with_extension("wat")
}

/// The component of a file in `tests/components`. A core module names its world in
/// its first line and is wrapped by the contract in `wit/`.
pub(crate) fn component(name: &str) -> Bytes {
    let path = path_of(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let binary =
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(";; world: "))
    {
        Some(world) => wrapped(binary, world),
        None => Bytes::from(binary),
    }
}

/// A core module as a component of the world.
pub(crate) fn wrapped(mut module: Vec<u8>, world: &str) -> Bytes {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_dir(repository().join("wit")).unwrap();
    let own = resolve.push_str("worlds.wit", OWN_WORLDS).unwrap();
    let world = resolve
        .select_world(&[contract], Some(world))
        .or_else(|_| resolve.select_world(&[own], Some(world)))
        .unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoded = ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap();
    Bytes::from(encoded)
}

/// A component from text that a test made up.
pub(crate) fn from_text(text: &str) -> Bytes {
    Bytes::from(wat::parse_str(text).unwrap())
}
