//! The gateway under measurement: a release build with its own embedded, durable Postgres, as
//! somebody gets it who starts `hookgate serve` and sets nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::api::Api;
use crate::wait;

pub(super) const ADMIN_KEY: &str = "hgk_the-admin-key-of-the-benchmark-0123456789";
/// 32 bytes in base64; the same for all nodes, as it must be.
pub(super) const MASTER_KEY: &str = "dGhlIG1hc3RlciBrZXkgb2YgYWxsIHRoZSBiZW5jaCE=";
const GREETING: &str = "hookgate listens on ";
/// The embedded Postgres makes its folder first.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What a subscription of the benchmark runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plugins {
    None,
    Skinny,
}

impl Plugins {
    /// As a subscription asks for them.
    pub(super) fn wish(self) -> Value {
        match self {
            Self::None => json!([]),
            Self::Skinny => json!([{"name": "skinny", "config": {"keep": ["/n", "/id"]}}]),
        }
    }
}

/// Killed when it is dropped.
#[derive(Debug)]
pub(super) struct Gateway {
    child: Child,
    api: Api,
    address: SocketAddr,
    binary: PathBuf,
    /// Shared with the process that comes after this one.
    data_folder: Arc<TempDir>,
    /// From the start of the process until it was ready.
    ready_after: Duration,
}

impl Gateway {
    /// With a database of its own.
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::start_in(new_folder()?, &[]).await
    }

    /// Another node on the database of this one.
    pub(super) async fn another_node(&self) -> anyhow::Result<Self> {
        let url = self.database_url().await?;
        Self::start_in(new_folder()?, &[("DATABASE_URL", &url)]).await
    }

    /// Ends this one as a crash would, and starts another on its data.
    pub(super) async fn crash_and_restart(mut self) -> anyhow::Result<Self> {
        self.child.kill().await?;
        Self::start_in(Arc::clone(&self.data_folder), &[]).await
    }

    /// The folder of its data, which outlives the process while somebody keeps it.
    pub(super) fn data_folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.data_folder)
    }

    pub(super) async fn start_in(
        data_folder: Arc<TempDir>,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let binary = binary()?;
        let started_at = Instant::now();
        let mut child = command(&binary, data_folder.path())
            .arg("serve")
            .env("HOOKGATE_LISTEN", "127.0.0.1:0")
            .env("HOOKGATE_ALLOW_PRIVATE_NETWORKS", "true")
            .env("HOOKGATE_ADMIN_KEY", ADMIN_KEY)
            .env("HOOKGATE_MASTER_KEY", MASTER_KEY)
            .env("HOOKGATE_LOG", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let url = tokio::time::timeout(START_LIMIT, greeting(&mut lines))
            .await
            .context("the gateway did not say where it listens")??;
        // Reads on, so that the gateway never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = url
            .strip_prefix("http://")
            .and_then(|address| address.parse().ok())
            .with_context(|| format!("{url} is no address"))?;
        let api = Api::new(&url, Some(ADMIN_KEY));
        let ready = wait::within(START_LIMIT, || async {
            let answer = api
                .try_send(api.request(Method::GET, "/readyz"))
                .await
                .ok()?;
            (answer.status == 200).then_some(())
        });
        ready.await.context("the gateway did not get ready")?;
        Ok(Self {
            child,
            api,
            address,
            binary,
            data_folder,
            ready_after: started_at.elapsed(),
        })
    }

    pub(super) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the gateway has ended")
    }

    /// The address of its embedded database.
    pub(super) async fn database_url(&self) -> anyhow::Result<String> {
        let output = command(&self.binary, self.data_folder.path())
            .args(["db", "url"])
            .output()
            .await?;
        ensure!(output.status.success(), "`hookgate db url` failed");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Everything to `sink`; hands over the subscription's id.
    pub(super) async fn subscribe(
        &self,
        sink: SocketAddr,
        plugins: Plugins,
    ) -> anyhow::Result<String> {
        self.subscribe_as(&json!({
            "event_types": ["bench.*"],
            "target_url": format!("http://{sink}/"),
            "plugins": plugins.wish(),
            "delivery": {"max_in_flight": 256},
        }))
        .await
    }

    /// A subscription's id.
    pub(super) async fn subscribe_as(&self, wish: &Value) -> anyhow::Result<String> {
        let answer = self.api.post("/v1/subscriptions", wish).await;
        ensure!(answer.status == 201, "no subscription: {}", answer.text());
        let id = answer
            .json()
            .get("id")
            .and_then(Value::as_str)
            .map(str::to_owned);
        id.context("a subscription has an id")
    }

    pub(super) async fn unsubscribe(&self, id: &str) -> anyhow::Result<()> {
        let answer = self.api.delete(&format!("/v1/subscriptions/{id}")).await;
        ensure!(answer.status < 300, "still subscribed: {}", answer.text());
        Ok(())
    }

    /// Stops it, and leaves its Postgres running.
    pub(super) async fn stop_without_database(self) -> anyhow::Result<KeptDatabase> {
        let kept = KeptDatabase {
            binary: self.binary.clone(),
            data_folder: self.data_folder(),
        };
        kept.run("start").await?;
        self.stop().await?;
        Ok(kept)
    }

    /// Asks it to stop and waits until it has, and its Postgres with it.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        let status = tokio::time::timeout(STOP_LIMIT, self.child.wait())
            .await
            .context("the gateway did not stop")??;
        ensure!(status.success(), "the gateway stopped with {status}");
        Ok(())
    }
}

/// An embedded Postgres that runs without its gateway.
#[derive(Debug)]
pub(super) struct KeptDatabase {
    binary: PathBuf,
    data_folder: Arc<TempDir>,
}

impl KeptDatabase {
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.run("stop").await
    }

    async fn run(&self, what: &str) -> anyhow::Result<()> {
        let output = command(&self.binary, self.data_folder.path())
            .args(["db", what])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`hookgate db {what}` failed: {said}"
        );
        Ok(())
    }
}

fn new_folder() -> anyhow::Result<Arc<TempDir>> {
    let folder = tempfile::Builder::new()
        .prefix("hookgate-bench-")
        .tempdir()?;
    Ok(Arc::new(folder))
}

/// Settings of whoever runs the benchmark must not reach the gateway.
fn command(binary: &Path, data_folder: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "DATABASE_URL" || (text.starts_with("HOOKGATE_") && text != "HOOKGATE_PG_BIN") {
            command.env_remove(name);
        }
    }
    command
        .env("HOOKGATE_DATA_DIR", data_folder)
        .current_dir(data_folder)
        .stdin(Stdio::null());
    command
}

/// What `cargo xtask bench` names, or `hookgate` beside this program.
fn binary() -> anyhow::Result<PathBuf> {
    let binary = match std::env::var_os("HOOKGATE_BINARY") {
        Some(named) => PathBuf::from(named),
        None => std::env::current_exe()?.with_file_name("hookgate"),
    };
    ensure!(
        binary.is_file(),
        "there is no {}: run `cargo xtask bench`, which builds it",
        binary.display()
    );
    Ok(binary)
}

async fn greeting(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<String> {
    while let Some(line) = lines.next_line().await? {
        if let Some(url) = line.strip_prefix(GREETING) {
            return Ok(url.trim().to_owned());
        }
    }
    bail!("the gateway ended before it listened")
}
