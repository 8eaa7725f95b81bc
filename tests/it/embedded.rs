//! The embedded Postgres: whoever dies, and however, no server is left behind and none is missed.
//!
//! Processes are told apart by their ids alone. Waiting is for a condition, up to a bound.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// A process that uses the cluster of a folder, as a gateway does.
struct User {
    process: Child,
    url: String,
}

impl User {
    fn start(data_dir: &Path, options: &[&str]) -> Self {
        let mut process = rig(data_dir, options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        assert!(
            url.starts_with("postgres://"),
            "the cluster did not come up: {url:?}"
        );
        Self {
            process,
            url: url.trim().to_owned(),
        }
    }

    /// Ends as a gateway does that is asked to.
    fn stop(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn answer(&self) -> Result<i32, sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        sqlx::query_scalar("select 42")
            .fetch_one(&mut connection)
            .await
    }

    async fn answers_within(&self, limit: Duration) -> bool {
        let asked_at = Instant::now();
        while asked_at.elapsed() < limit {
            if self.answer().await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

fn rig(data_dir: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedded_rig"));
    command
        .arg("hold")
        .args(options)
        .arg(data_dir)
        .stdin(Stdio::piped());
    command
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("hookgate-pg-")
        .tempdir()
        .unwrap()
}

fn data(folder: &TempDir) -> PathBuf {
    fs::canonicalize(folder.path())
        .unwrap()
        .join("postgres/data")
}

fn server_pid(data: &Path) -> u32 {
    let file = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

fn parent_of(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// Living processes that work in the data folder: the server and all its children.
fn processes_in(data: &Path) -> Vec<u32> {
    let is_in = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(is_in)
        .collect()
}

fn happens_within(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let asked_at = Instant::now();
    while asked_at.elapsed() < limit {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    condition()
}

fn kill(pid: u32) {
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn a_cluster_is_made_used_stopped_and_used_again() {
    let folder = folder();
    let made_at = Instant::now();
    let user = User::start(folder.path(), &[]);
    let first_start = made_at.elapsed();
    let mut connection = PgConnection::connect(&user.url).await.unwrap();
    for statement in ["create table kept (n int)", "insert into kept values (7)"] {
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    for (setting, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("autovacuum_naptime", "2s"),
        ("checkpoint_timeout", "15min"),
        ("recovery_init_sync_method", "syncfs"),
        ("idle_in_transaction_session_timeout", "10s"),
    ] {
        let show = sqlx::AssertSqlSafe(format!("show {setting}"));
        let found: String = sqlx::query_scalar(show)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(found, value, "{setting}");
    }
    connection.close().await.unwrap();
    user.stop();
    assert_eq!(
        processes_in(&data(&folder)),
        Vec::<u32>::new(),
        "the server is gone when its user is"
    );

    let started_at = Instant::now();
    let user = User::start(folder.path(), &[]);
    println!(
        "first start {first_start:?}, second {:?}",
        started_at.elapsed()
    );
    let mut connection = PgConnection::connect(&user.url).await.unwrap();
    let kept: i32 = sqlx::query_scalar("select n from kept")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(kept, 7);
    user.stop();
}

#[tokio::test]
async fn a_killed_user_leaves_no_server() {
    let folder = folder();
    let user = User::start(folder.path(), &[]);
    let supervisor = parent_of(server_pid(&data(&folder)));
    user.kill();
    assert!(happens_within(Duration::from_secs(20), || processes_in(
        &data(&folder)
    )
    .is_empty()));
    assert!(happens_within(Duration::from_secs(5), || !Path::new(
        &format!("/proc/{supervisor}")
    )
    .exists()
        || fs::read_to_string(format!("/proc/{supervisor}/stat"))
            .is_ok_and(|stat| stat.contains(") Z "))));
}

#[tokio::test]
async fn a_killed_server_is_revived() {
    let folder = folder();
    let user = User::start(folder.path(), &[]);
    for _ in 0..3 {
        let killed = server_pid(&data(&folder));
        let killed_at = Instant::now();
        kill(killed);
        assert!(happens_within(Duration::from_secs(5), || !Path::new(
            &format!("/proc/{killed}")
        )
        .exists()));
        assert!(user.answers_within(Duration::from_secs(20)).await);
        println!("back after {:?}", killed_at.elapsed());
        assert_ne!(server_pid(&data(&folder)), killed);
    }
    user.stop();
    assert_eq!(processes_in(&data(&folder)), Vec::<u32>::new());
}

#[tokio::test]
async fn a_killed_supervisor_takes_the_server_along_and_its_user_brings_both_back() {
    let folder = folder();
    let user = User::start(folder.path(), &[]);
    let server = server_pid(&data(&folder));
    kill(parent_of(server));
    assert!(happens_within(Duration::from_secs(10), || !Path::new(
        &format!("/proc/{server}")
    )
    .exists()));
    assert!(user.answers_within(Duration::from_secs(20)).await);
    user.stop();
    assert_eq!(processes_in(&data(&folder)), Vec::<u32>::new());
}

#[tokio::test]
async fn user_supervisor_and_server_killed_together_do_not_stand_in_the_way_of_the_next() {
    let folder = folder();
    let user = User::start(folder.path(), &[]);
    let server = server_pid(&data(&folder));
    let supervisor = parent_of(server);
    kill(supervisor);
    kill(server);
    user.kill();

    let next = User::start(folder.path(), &[]);
    assert_eq!(next.answer().await.unwrap(), 42);
    next.stop();
    assert_eq!(processes_in(&data(&folder)), Vec::<u32>::new());
}

#[tokio::test]
async fn two_users_share_a_server_until_the_last_has_gone() {
    let folder = folder();
    let first = User::start(folder.path(), &[]);
    let second = User::start(folder.path(), &[]);
    let server = server_pid(&data(&folder));
    assert_eq!(first.url, second.url);

    first.stop();
    assert_eq!(second.answer().await.unwrap(), 42);
    assert_eq!(server_pid(&data(&folder)), server);

    second.kill();
    assert!(happens_within(Duration::from_secs(20), || processes_in(
        &data(&folder)
    )
    .is_empty()));
}

#[tokio::test]
async fn users_that_start_together_make_one_cluster() {
    let folder = folder();
    let mut starting: Vec<Child> = (0..3)
        .map(|_| {
            rig(folder.path(), &[])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let urls: Vec<String> = starting
        .iter_mut()
        .map(|process| {
            let mut url = String::new();
            BufReader::new(process.stdout.as_mut().unwrap())
                .read_line(&mut url)
                .unwrap();
            url
        })
        .collect();
    assert!(
        urls.iter()
            .all(|url| *url == urls[0] && url.starts_with("postgres://")),
        "{urls:?}"
    );
    for mut process in starting {
        drop(process.stdin.take());
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(processes_in(&data(&folder)), Vec::<u32>::new());
}

#[tokio::test]
async fn a_folder_with_a_long_path_gets_a_short_socket() {
    let folder = folder();
    let deep = folder.path().join("d".repeat(120)).join("with space");
    let user = User::start(&deep, &[]);
    assert_eq!(user.answer().await.unwrap(), 42);
    user.stop();
}

#[tokio::test]
async fn root_without_namespaces_drops_to_an_account() {
    let folder = folder();
    if !is_root(folder.path()) {
        return;
    }
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )
    .unwrap();
    let user = User::start(folder.path(), &["--as-nobody"]);
    assert_eq!(user.answer().await.unwrap(), 42);
    kill(parent_of(server_pid(&data(&folder))));
    assert!(user.answers_within(Duration::from_secs(20)).await);
    user.stop();
    assert_eq!(processes_in(&data(&folder)), Vec::<u32>::new());

    // The same folder by the usual way afterwards: the files change hands.
    let user = User::start(folder.path(), &[]);
    assert_eq!(user.answer().await.unwrap(), 42);
    user.stop();
}

#[test]
fn without_postgres_the_message_says_what_to_type() {
    let folder = folder();
    let output = rig(folder.path(), &["--pg-bin", "/nowhere"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    for part in ["/nowhere", "install", "HOOKGATE_PG_BIN", "DATABASE_URL"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn a_server_that_cannot_start_is_reported_with_its_log() {
    let folder = folder();
    User::start(folder.path(), &[]).stop();
    fs::write(
        data(&folder).join("postgresql.conf"),
        "no_such_setting = 1\n",
    )
    .unwrap();
    let mut process = rig(folder.path(), &[])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut message)
        .unwrap();
    assert!(!process.wait().unwrap().success());
    assert!(message.contains("no_such_setting"), "{message}");
}

fn is_root(ours: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(ours).unwrap()) == 0
}

/// A command with the data folder as its only setting.
fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedded_rig"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    command
        .env("HOOKGATE_DATA_DIR", data_dir)
        .current_dir(data_dir);
    command
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_database_started_by_hand_stays_until_it_is_stopped_by_hand() {
    let folder = folder();
    let url = succeeds(&mut command(folder.path(), &["db", "start"]));
    assert_eq!(succeeds(&mut command(folder.path(), &["db", "url"])), url);
    let answer = succeeds(&mut command(
        folder.path(),
        &["db", "psql", "--", "-Atc", "select 42"],
    ));
    assert_eq!(answer, "42");

    let user = User::start(folder.path(), &[]);
    assert_eq!(user.url, url);
    user.kill();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let still: i32 = sqlx::query_scalar("select 42")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(still, 42);

    assert_eq!(
        succeeds(&mut command(folder.path(), &["db", "stop"])),
        "stopped"
    );
    assert_eq!(processes_in(&data(&folder)), Vec::<u32>::new());
}

#[test]
fn a_database_in_use_is_not_stopped_by_hand() {
    let folder = folder();
    let user = User::start(folder.path(), &[]);
    let said = succeeds(&mut command(folder.path(), &["db", "stop"]));
    assert!(said.contains("a gateway still uses it"), "{said}");
    user.stop();
}

#[test]
#[expect(clippy::too_many_lines, reason = "one report, read from top to bottom")]
fn doctor_finds_what_is_wrong_and_says_how_to_mend_it() {
    let folder = folder();
    let healthy = succeeds(
        command(folder.path(), &["doctor", "--json"]).env("HOOKGATE_LISTEN", "127.0.0.1:0"),
    );
    let findings: serde_json::Value = serde_json::from_str(&healthy).unwrap();
    let checks: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    assert_eq!(
        checks,
        [
            "settings",
            "postgres",
            "data folder",
            "disk",
            "port",
            "open files",
            "plugin folder",
            "Rust plugins",
            "JS/TS plugins",
            "Python plugins",
            "Go plugins",
            "C plugins",
            "public URL",
            "proxy",
            "IPv6",
        ]
    );

    // Files that no gateway would take, and a machine on which no plugin can be built.
    let plugins = folder.path().join("hookgate-data/plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let whole = hookgate_tests::component::stamping(1);
    std::fs::write(plugins.join("good.wasm"), &whole).unwrap();
    std::fs::write(plugins.join("half.wasm"), &whole[..whole.len() / 2]).unwrap();
    let clock = hookgate_tests::component::component("imports-a-clock");
    std::fs::write(plugins.join("clock.wasm"), clock).unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let output = command(folder.path(), &["doctor"])
        .env("HOOKGATE_DATA_DIR", plugins.parent().unwrap())
        .env("XDG_CACHE_HOME", &empty)
        .env("PATH", &empty)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for part in [
        "2 of 3 cannot be taken",
        "half.wasm: ",
        "clock.wasm: it imports wasi:clocks",
        "hookgate plugin check FILE",
        "no rustc",
        "rustup.rs",
        "no Node.js",
        "Python 3.9 or newer is missing",
        "apt-get install python3 python3-pip",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }

    for (variable, value, part) in [
        (
            "HOOKGATE_PG_BIN",
            "/nowhere",
            "HOOKGATE_PG_BIN=/path/to/postgresql/bin",
        ),
        ("HOOKGATE_RETENTION", "soon", "\"soon\" is not a duration"),
        (
            "HOOKGATE_DATA_DIR",
            "/proc/hookgate",
            "name another one with HOOKGATE_DATA_DIR",
        ),
    ] {
        let output = command(folder.path(), &["doctor"])
            .env(variable, value)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            !output.status.success() && said.contains(part),
            "{part} is not in:\n{said}"
        );
    }
}
