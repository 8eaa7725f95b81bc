//! A server that does Hookgate's job in another way, as a process of its own; killed when it is dropped.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::super::super::gateway::ADMIN_KEY;
use super::super::super::http::Wire;
use super::super::queue_peer;
use super::super::rig::Rig;
use super::python::Environment;
use crate::tool::free_port;
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(60);
const FASTAPI: &str = include_str!("inline_fastapi.py");
const TORNADO: &str = include_str!("inline_tornado.py");
const DRF_HOOKS: &str = include_str!("with_drf_hooks.py");
const POLLED: &str = include_str!("polled_fastapi.py");

#[derive(Debug)]
pub(in super::super) struct Peer {
    child: Child,
    address: SocketAddr,
    /// Of its program; none where that is ours.
    folder: Option<TempDir>,
}

impl Peer {
    /// This program again, as the queue in a table.
    pub(super) async fn queue(rig: &Rig) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--be-the-queue", &rig.gateway.database_url().await?])
            .arg(rig.sink.address.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let line = tokio::time::timeout(START_LIMIT, lines.next_line()).await??;
        let address = line
            .as_deref()
            .and_then(|line| line.strip_prefix(queue_peer::GREETING));
        let address = address
            .context("the queue did not say where it listens")?
            .parse()?;
        Ok(Self {
            child,
            address,
            folder: None,
        })
    }

    /// Two workers, one a core.
    pub(super) async fn fastapi(rig: &Rig, python: &Environment) -> anyhow::Result<Self> {
        Self::uvicorn(python, (FASTAPI, 2), Some(rig)).await
    }

    /// One worker: its mailboxes are in its memory.
    pub(in super::super) async fn polled(python: &Environment) -> anyhow::Result<Self> {
        Self::uvicorn(python, (POLLED, 1), None).await
    }

    async fn uvicorn(
        python: &Environment,
        (source, workers): (&str, u32),
        rig: Option<&Rig>,
    ) -> anyhow::Result<Self> {
        let (folder, port) = (program(source)?, free_port());
        let mut command = python.program("uvicorn", folder.path());
        command
            .args([
                "program:app",
                "--host",
                "127.0.0.1",
                "--no-access-log",
                "--log-level",
                "warning",
            ])
            .args([
                "--port",
                &port.to_string(),
                "--workers",
                &workers.to_string(),
            ]);
        settings(&mut command, rig);
        Self::serve(command, (folder, port)).await
    }

    /// It forks two processes itself.
    pub(super) async fn tornado(rig: &Rig, python: &Environment) -> anyhow::Result<Self> {
        let (folder, port) = (program(TORNADO)?, free_port());
        let mut command = python.program("python", folder.path());
        command.arg("program.py").env("PORT", port.to_string());
        settings(&mut command, Some(rig));
        Self::serve(command, (folder, port)).await
    }

    /// Two workers with 16 threads each, and a database of its own on the gateway's server.
    pub(super) async fn drf_hooks(rig: &Rig, python: &Environment) -> anyhow::Result<Self> {
        let (folder, port) = (program(DRF_HOOKS)?, free_port());
        sqlx::raw_sql("create database bench_drf")
            .execute(&rig.database.pool)
            .await?;
        let options = rig.database.pool.connect_options();
        let host = options
            .get_socket()
            .context("the embedded server has a socket")?;
        let host = if host.is_dir() {
            host.clone()
        } else {
            host.parent().unwrap_or(host).to_owned()
        };
        let database = |command: &mut Command| {
            command
                .env("PGHOST", &host)
                .env("PGUSER", options.get_username())
                .env("PGDATABASE", "bench_drf");
            settings(command, Some(rig));
        };
        let mut prepare = python.program("python", folder.path());
        prepare.arg("program.py").arg(rig.sink.url(0));
        database(&mut prepare);
        let output = prepare.output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "drf-hooks could not be set up: {said}"
        );
        let mut command = python.program("gunicorn", folder.path());
        command
            .args([
                "program:application",
                "--workers",
                "2",
                "--worker-class",
                "gthread",
                "--threads",
                "16",
            ])
            .args([
                "--no-control-socket",
                "--keep-alive",
                "60",
                "--bind",
                &format!("127.0.0.1:{port}"),
            ]);
        database(&mut command);
        Self::serve(command, (folder, port)).await
    }

    async fn serve(mut command: Command, (folder, port): (TempDir, u16)) -> anyhow::Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log)?;
        let child = command
            .stdout(file.try_clone()?)
            .stderr(file)
            // A group of its own, so that its workers end with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("the server does not start")?;
        let peer = Self {
            child,
            address,
            folder: Some(folder),
        };
        let up = wait::within(START_LIMIT, || async {
            let ask = async {
                let mut wire = Wire::open(address).await?;
                wire.exchange(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    .await
            };
            tokio::time::timeout(Duration::from_secs(5), ask)
                .await
                .ok()?
                .ok()
        })
        .await;
        if up.is_none() {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            anyhow::bail!("the server does not answer: {said}");
        }
        Ok(peer)
    }

    pub(in super::super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in super::super) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// Ends it and the processes that it has started.
    pub(in super::super) async fn stop(mut self) -> anyhow::Result<()> {
        self.end_group();
        self.child.kill().await?;
        Ok(())
    }

    fn end_group(&self) {
        if self.folder.is_some()
            && let Some(pid) = self.child.id()
        {
            // The group bears the id of its first process, which is still ours to wait for.
            let _ = std::process::Command::new("kill")
                .args(["-KILL", "--", &format!("-{pid}")])
                .status();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end_group();
    }
}

fn program(source: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("hookgate-bench-peer-")
        .tempdir()?;
    std::fs::write(folder.path().join("program.py"), source)?;
    Ok(folder)
}

fn settings(command: &mut Command, rig: Option<&Rig>) {
    command.env("KEY", ADMIN_KEY);
    if let Some(rig) = rig {
        command.env("TARGET", rig.sink.url(0));
    }
}
