//! The process of a gateway: found beside the tests, watched until it is ready, ended by its id.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::wait;

const GREETING: &str = "hookgate listens on ";
/// A debug build checks, compiles and migrates slowly on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    url: String,
    log: PathBuf,
    /// Reads on, so that the gateway never blocks on a full pipe.
    _reader: JoinHandle<()>,
}

impl Process {
    pub(super) async fn start(
        environment: &[(String, String)],
        folder: &Path,
        is_caged: bool,
    ) -> Self {
        let log = folder.join("gateway.log");
        let command = if is_caged {
            caged(&binary(), folder)
        } else {
            command(&binary())
        };
        let mut child = { command }
            .args(["serve", "--allow-unsafe-postgres"])
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| !is_ours(name)))
            .envs(environment.iter().cloned())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(append(&log))
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway's binary can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let greeting = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix(GREETING) {
                    return Some(url.trim().to_owned());
                }
            }
            None
        };
        let Ok(Some(url)) = tokio::time::timeout(START_LIMIT, greeting).await else {
            panic!("the gateway did not say where it listens:\n{}", read(&log));
        };
        let process = Self {
            child,
            url,
            log,
            _reader: tokio::spawn(read_on(lines)),
        };
        process.wait_until_ready().await;
        process
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) fn log(&self) -> String {
        read(&self.log)
    }

    pub(super) async fn kill_9(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    pub(super) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs");
        let sent = Command::new("kill")
            .args([format!("-{name}"), pid.to_string()])
            .status()
            .await;
        assert!(sent.is_ok_and(|status| status.success()), "no signal sent");
    }

    pub(super) async fn stop(&mut self) {
        self.signal("TERM").await;
        self.gone().await;
    }

    pub(super) async fn gone(&mut self) {
        let Ok(status) = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await else {
            panic!("the gateway did not stop:\n{}", self.log());
        };
        let status = status.expect("it is our child");
        assert!(status.success(), "stopped with {status}:\n{}", self.log());
    }

    async fn wait_until_ready(&self) {
        let api = crate::api::Api::new(&self.url, None);
        let ready = wait::within(START_LIMIT, || async {
            let request = api.request(reqwest::Method::GET, "/readyz");
            let answer = api.try_send(request).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        assert!(ready.is_some(), "it never got ready:\n{}", self.log());
    }
}

/// Settings of whoever runs the tests must not reach the gateway.
pub(crate) fn is_ours(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "DATABASE_URL" || (name.starts_with("HOOKGATE_") && name != "HOOKGATE_PG_BIN")
}

/// Where the system offers it, the gateway also ends with a test that is killed from outside.
fn command(binary: &Path) -> Command {
    let has_setpriv = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join("setpriv").is_file())
    });
    if has_setpriv && cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(binary);
        command
    } else {
        Command::new(binary)
    }
}

/// In a cage of its own: the data folder is mounted over itself, with a folder for temporary files in
/// it, then the root is made read-only around it, and all capabilities are dropped for good.
fn caged(binary: &Path, folder: &Path) -> Command {
    const CAGE: &str = r#"
mkdir -p "$1/tmp" && mount --bind "$1" "$1" && mount -o remount,bind,ro / && cd "$1" || exit 1
export TMPDIR="$1/tmp"
shift
exec setpriv --pdeathsig KILL --bounding-set=-all --inh-caps=-all --no-new-privs "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", CAGE, "cage"]);
    command.arg(folder).arg(binary);
    command
}

/// `hookgate` in the folder above the one of the running test.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let binary = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("hookgate"))
        .find(|path| path.is_file());
    binary.unwrap_or_else(|| {
        panic!(
            "{} has no `hookgate` beside it: run `cargo build -p hookgate` first, or the tests \
             with `cargo xtask test`",
            test.display()
        )
    })
}

fn append(log: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .expect("the log can be written")
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

async fn read_on(mut lines: tokio::io::Lines<BufReader<ChildStdout>>) {
    while let Ok(Some(_)) = lines.next_line().await {}
}
