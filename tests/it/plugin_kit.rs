//! The kit from end to end, by the real binary: from `plugin new` to a delivery and back to the
//! version before; and what the commands say where something is missing.
//!
//! No registry is asked: cargo works offline, and JavaScript's packages are taken from the kit's
//! cache. Where they are not there, that part says so and is left out.

use std::path::PathBuf;
use std::process::Stdio;

use hookgate_tests::component::{component, stamping};
use hookgate_tests::{Cli, Gateway, Receiver, event, tool};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A change of the new project's source that another component comes of.
const CHANGE: [&str; 2] = ["the data has no id", "there is no id"];

/// The kit's guests share cargo's folder with the shipped plugins, whose dependencies are the same.
fn of(gateway: &Gateway) -> Cli {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    Cli::of(gateway)
        .set("CARGO_TARGET_DIR", &target.display().to_string())
        .set("CARGO_NET_OFFLINE", "true")
}

fn replace(cli: &Cli, file: &str, old: &str, new: &str) {
    let text = cli.read(file);
    assert!(text.contains(old), "{file} has no {old}:\n{text}");
    cli.write(file, text.replace(old, new));
}

fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let home = set("HOME").unwrap_or_default().join(".cache");
    set("XDG_CACHE_HOME").unwrap_or(home).join("hookgate")
}

fn has_javascript() -> bool {
    let entries = std::fs::read_dir(cache()).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    let found = names.any(|name| name.to_string_lossy().starts_with("npm-componentize-qjs"));
    if !found {
        eprintln!("left out: JavaScript's compiler is not in the kit's cache");
    }
    found
}

/// From nothing to a delivery, a second version, a rollback and the logs.
async fn from_new_to_rollback(language: &str, source: &str, [old, new]: [&str; 2]) {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let cli = of(&gateway);

    let said = cli
        .run(&["plugin", "new", "first", "--lang", language])
        .await
        .good();
    assert!(said.contains("hookgate plugin test"), "{said}");
    let ran = cli.run_in("first", &["plugin", "test"]).await;
    let said = ran.good();
    assert!(
        said.contains("passed") && said.contains("exports transform"),
        "{said}"
    );
    let said = cli.run_in("first", &["plugin", "run"]).await.good();
    assert!(said.contains("verdict"), "{said}");
    let said = cli.run_in("first", &["plugin", "push"]).await.good();
    assert!(said.contains("first  version 1 is active"), "{said}");

    let body = json!({"event_types": ["*"], "plugins": [{"name": "first"}]});
    let _subscribed = gateway.subscribe_with(body, &receiver).await;
    gateway.send(event("a.b")).await;
    receiver.verified(1).await;

    replace(&cli, &format!("first/{source}"), old, new);
    let said = cli.run_in("first", &["plugin", "push"]).await.good();
    assert!(said.contains("first  version 2 is active"), "{said}");
    let said = cli.run(&["plugin", "rollback", "first"]).await.good();
    assert!(
        said.contains("version 1 is active; version 2 was before"),
        "{said}"
    );
    let said = cli.run(&["plugin", "activate", "first", "2"]).await.good();
    assert!(said.contains("version 2 is active"), "{said}");
    gateway.send(event("a.b")).await;
    receiver.verified(2).await;

    let plugin = cli.run(&["plugin", "get", "first", "--json"]).await.good();
    let plugin: Value = serde_json::from_str(&plugin).unwrap();
    assert_eq!(plugin["versions"].as_array().unwrap().len(), 2);
    assert_eq!(plugin["calls"], 2);
    let said = cli.run(&["plugin", "list"]).await.good();
    assert!(said.contains("first") && said.contains("skinny"), "{said}");
    let said = cli.run(&["plugin", "delete", "first"]).await.refused();
    assert!(said.contains("subscriptions use it"), "{said}");
}

#[tokio::test]
async fn a_rust_plugin_goes_from_nothing_to_a_delivery_and_back() {
    from_new_to_rollback("rust", "src/lib.rs", CHANGE).await;
}

#[tokio::test]
async fn a_javascript_plugin_goes_from_nothing_to_a_delivery_and_back() {
    if has_javascript() {
        from_new_to_rollback("js", "src/plugin.js", CHANGE).await;
    }
}

#[tokio::test]
async fn a_typescript_plugin_goes_from_nothing_to_a_delivery_and_back() {
    if has_javascript() {
        from_new_to_rollback("ts", "src/plugin.ts", CHANGE).await;
    }
}

#[tokio::test]
async fn a_c_plugin_goes_from_nothing_to_a_delivery_and_back() {
    from_new_to_rollback("c", "src/plugin.c", CHANGE).await;
}

/// Their compilers take 50 MB each and a minute: part of the full run.
fn is_full_run() -> bool {
    tool::is_full("the compilers of Python and Go")
}

#[tokio::test]
async fn a_python_plugin_goes_from_nothing_to_a_delivery_and_back() {
    if is_full_run() {
        from_new_to_rollback("python", "plugin.py", CHANGE).await;
    }
}

#[tokio::test]
async fn a_go_plugin_goes_from_nothing_to_a_delivery_and_back() {
    if is_full_run() {
        from_new_to_rollback("go", "plugin.go", CHANGE).await;
    }
}

/// Every export, by its golden files, as `hookgate plugin new` writes them.
async fn templates_pass_their_golden_files(language: &str) {
    let gateway = Gateway::fresh().await;
    let cli = of(&gateway);
    for export in ["transform", "filter", "fold", "receiver"] {
        let words = [
            "plugin", "new", export, "--lang", language, "--export", export,
        ];
        let _ = cli.run(&words).await.good();
        let said = cli.run_in(export, &["plugin", "test"]).await.good();
        assert!(said.contains(" passed"), "{language} {export}: {said}");
        let shows = format!("exports {export}");
        assert!(said.contains(&shows), "{language} {export}: {said}");
        let words = [
            "plugin",
            "run",
            "--event",
            "event.json",
            "--config",
            "config.json",
        ];
        let said = cli.run_in(export, &words).await.good();
        assert!(said.contains("fuel"), "{language} {export}: {said}");
    }
}

#[tokio::test]
async fn c_templates_pass_their_golden_files() {
    templates_pass_their_golden_files("c").await;
}

#[tokio::test]
async fn python_templates_pass_their_golden_files() {
    if is_full_run() {
        templates_pass_their_golden_files("python").await;
    }
}

#[tokio::test]
async fn go_templates_pass_their_golden_files() {
    if is_full_run() {
        templates_pass_their_golden_files("go").await;
    }
}

/// A line that names the trouble and what to type, and no tool's own words beside it.
fn is_one_clear_line(said: &str, parts: &[&str]) {
    let error = said.lines().find(|line| line.starts_with("error: "));
    let error = error.unwrap_or_else(|| panic!("no error: {said}"));
    for part in parts {
        assert!(error.contains(part), "{part} is not in: {said}");
    }
    assert!(said.lines().count() <= 3, "{said}");
}

/// A program of this name that says `said` and ends with `code`.
fn pretend(cli: &Cli, name: &str, said: &str, code: i32) {
    use std::os::unix::fs::PermissionsExt as _;
    cli.write(
        &format!("bin/{name}"),
        format!("#!/bin/sh\necho '{said}'\nexit {code}\n"),
    );
    let path = cli.path(&format!("bin/{name}"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_python_or_go_that_will_not_do_is_one_line() {
    let cli = Cli::new();
    for language in ["python", "go"] {
        let words = ["plugin", "new", language, "--lang", language];
        let _ = cli.run(&words).await.good();
    }
    let build = async |project: &str| {
        let mut command = cli.command(&cli.path(project), &["plugin", "build"]);
        command.env("PATH", cli.path("bin"));
        command.env("XDG_CACHE_HOME", cli.path("cache"));
        let output = command.output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    std::fs::create_dir_all(cli.path("bin")).unwrap();
    let said = build("python").await;
    is_one_clear_line(&said, &["Python 3.9 or newer is missing", "Type: apt-get"]);
    let said = build("go").await;
    is_one_clear_line(&said, &["is missing", "Type: "]);

    // Too old.
    pretend(&cli, "python3", "3 7", 0);
    let said = build("python").await;
    is_one_clear_line(&said, &["Python 3.9 or newer", "is 3.7", "Type: apt-get"]);
    pretend(&cli, "go", "go1.20.1", 0);
    let said = build("go").await;
    let error = said.lines().find(|line| line.starts_with("error: "));
    assert!(
        error.is_some_and(|line| line.contains("Python 3.9")),
        "{said}"
    );
    assert!(
        said.contains("is go1.20.1, and 1.24 or newer is needed"),
        "{said}"
    );

    // Neither a package manager nor a network.
    cli.write(
        "bin/python3",
        "#!/bin/sh\ncase \"$*\" in *pip*) exit 1;; *) echo 3 11;; esac\n",
    );
    let said = build("python").await;
    is_one_clear_line(
        &said,
        &["pip, which fetches", "Type: apt-get install python3-pip"],
    );
    let offline = "after connection broken by 'NewConnectionError('<x>: Failed to establish a new connection')': /simple/";
    cli.write(
        "bin/python3",
        format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) echo pip;; *install*) echo \"{offline}\" >&2; exit 1;; *) echo 3 11;; esac\n"
        ),
    );
    for project in ["python", "go"] {
        let said = build(project).await;
        let error = said.lines().find(|line| line.starts_with("error: "));
        let error = error.unwrap_or_else(|| panic!("no error: {said}"));
        assert!(error.contains("could not be fetched"), "{said}");
        assert!(
            error.contains("Failed to establish a new connection"),
            "{said}"
        );
        assert!(error.contains("once with a network"), "{said}");
        assert!(said.lines().count() <= 5, "{said}");
    }
}

/// `go.mod` names what its lock does not hold; the real compiler says so, the kit in a line.
#[tokio::test]
async fn a_stale_lock_file_is_one_line() {
    let gateway = Gateway::fresh().await;
    let cli = of(&gateway);
    let _ = cli
        .run(&["plugin", "new", "locked", "--lang", "rust"])
        .await
        .good();
    let _ = cli.run_in("locked", &["plugin", "build"]).await.good();
    let manifest = cli.read("locked/Cargo.toml");
    cli.write(
        "locked/Cargo.toml",
        manifest.replace(
            "[dependencies]",
            "[dependencies]\nno-such-crate-anywhere = \"1\"",
        ),
    );
    let said = cli.run_in("locked", &["plugin", "build"]).await.refused();
    assert!(said.contains("error: "), "{said}");
    let is_told = [
        "the packages that locked needs could not be had",
        "no matching package named `no-such-crate-anywhere`",
    ];
    assert!(is_told.iter().any(|told| said.contains(told)), "{said}");
    assert!(said.lines().count() <= 4, "{said}");
    if !is_full_run() {
        return;
    }
    let _ = cli
        .run(&["plugin", "new", "modules", "--lang", "go"])
        .await
        .good();
    let module = cli.read("modules/go.mod");
    cli.write(
        "modules/go.mod",
        format!("{module}\nrequire example.org/absent v1.0.0\n"),
    );
    let source = cli.read("modules/plugin.go");
    cli.write(
        "modules/more.go",
        "package main\n\nimport _ \"example.org/absent\"\n",
    );
    assert!(source.contains("package main"));
    let said = cli.run_in("modules", &["plugin", "build"]).await.refused();
    assert!(
        said.contains("the packages that modules needs could not be had"),
        "{said}"
    );
    assert!(said.contains("Type: go mod tidy"), "{said}");
    assert!(said.lines().count() <= 4, "{said}");
}

#[tokio::test]
async fn shares_are_given_and_a_plugin_of_the_gateway_is_run_by_its_name() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    cli.write("stamp.wasm", stamping(1));
    let _ = cli.run(&["plugin", "push", "stamp.wasm"]).await.good();
    cli.write("stamp.wasm", stamping(2));
    let words = ["plugin", "push", "stamp.wasm", "--canary", "10%"];
    let said = cli.run(&words).await.good();
    assert!(said.contains("version 2 meets 10% of the events"), "{said}");
    let state = async || {
        let said = cli.run(&["plugin", "get", "stamp", "--json"]).await.good();
        let plugin: Value = serde_json::from_str(&said).unwrap();
        {
            let newest = &plugin["versions"][0];
            assert_eq!(newest["version"], 2, "newest first: {plugin}");
            (plugin["active_version"].clone(), newest["share"].clone())
        }
    };
    assert_eq!(state().await, (json!(1), json!(0.1)));
    let words = ["plugin", "activate", "stamp", "2", "--share", "0.25"];
    let said = cli.run(&words).await.good();
    assert!(said.contains("version 2 meets 25% of the events"), "{said}");
    assert_eq!(state().await, (json!(1), json!(0.25)));
    let said = cli.run(&["plugin", "activate", "stamp", "2"]).await.good();
    assert!(said.contains("version 2 is active"), "{said}");
    assert_eq!(state().await, (json!(2), json!(1.0)));
    let words = ["plugin", "activate", "stamp", "2", "--share", "110%"];
    let said = cli.run(&words).await.refused();
    assert!(said.contains("at most 100%"), "{said}");

    cli.write("event.json", r#"{"type": "a.b", "data": {"id": 1}}"#);
    let words = ["plugin", "run", "stamp", "--event", "event.json"];
    let said = cli.run(&words).await.good();
    assert!(
        said.contains("replace") && said.contains("{\"stamp\":2}"),
        "{said}"
    );
    let words = ["plugin", "run", "stamp", "--event", "event.json", "--json"];
    let said: Value = serde_json::from_str(&cli.run(&words).await.good()).unwrap();
    assert_eq!(said["verdict"], "replace", "{said}");
    let said = cli
        .run(&["plugin", "run", "nobody", "--event", "event.json"])
        .await
        .refused();
    assert!(said.contains("nobody"), "{said}");
}

#[tokio::test]
async fn logs_and_failures_of_a_plugin_can_be_followed() {
    let gateway = Gateway::fresh().await;
    let receiver = Receiver::accepting().await;
    let cli = Cli::of(&gateway);
    cli.write("tells.wasm", component("tells-its-surroundings"));
    cli.write("stamp.wasm", stamping(1));
    for file in ["tells.wasm", "stamp.wasm"] {
        let _ = cli.run(&["plugin", "push", file]).await.good();
    }
    for plugin in ["tells", "stamp"] {
        let used = json!([{"name": plugin, "config": {"of": plugin}}]);
        let body = json!({"event_types": [plugin], "plugins": used});
        gateway.subscribe_with(body, &receiver).await;
    }
    let mut following = cli
        .command(&cli.path("."), &["plugin", "logs", "tells", "-f", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();

    let id = gateway.send(event("tells")).await;
    let told: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(told["text"], "{\"of\":\"tells\"}");
    assert_eq!(
        (&told["level"], &told["event"]),
        (&json!("info"), &json!(id))
    );
    let next = gateway.send(event("tells")).await;
    let told: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert_eq!(told["event"], json!(next), "each line once");
    following.kill().await.unwrap();

    let id = gateway.send(event("stamp").data(&json!(2))).await;
    let said = hookgate_tests::wait::until("the failure is told", || async {
        let said = cli.run(&["plugin", "logs", "stamp"]).await.good();
        said.contains("failed").then_some(said)
    })
    .await;
    assert!(said.contains("trap: ") && said.contains(&id), "{said}");
    assert!(!said.contains("\"of\""), "only its own: {said}");
}

#[tokio::test]
async fn a_refused_push_lists_every_check_with_the_cure() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    cli.write("clock.wasm", component("imports-a-clock"));
    let said = cli.run(&["plugin", "push", "clock.wasm"]).await.refused();
    assert!(
        said.contains("ok ") && said.contains("refused  imports"),
        "{said}"
    );
    assert!(said.contains("wasi:") && said.contains("cure:"), "{said}");

    cli.write("Wrong_Name.wasm", stamping(1));
    let said = cli
        .run(&["plugin", "push", "Wrong_Name.wasm"])
        .await
        .refused();
    assert!(
        said.contains("a-z 0-9") && said.contains("--name"),
        "{said}"
    );
    let words = [
        "plugin",
        "push",
        "Wrong_Name.wasm",
        "--name",
        "right",
        "--inactive",
    ];
    let said = cli.run(&words).await.good();
    assert!(said.contains("right  version 1 is stored"), "{said}");
}

#[tokio::test]
async fn what_is_missing_is_told_in_a_line_with_its_cure() {
    let gateway = Gateway::fresh().await;
    let cli = Cli::of(&gateway);
    for words in [["plugin", "build"], ["plugin", "test"], ["plugin", "push"]] {
        let said = cli.run(&words).await.refused();
        assert!(said.contains("no plugin here"), "{words:?}: {said}");
        assert!(said.contains("hookgate plugin new"), "{words:?}: {said}");
        assert!(said.lines().count() <= 3, "{words:?}: {said}");
    }
    let said = cli.run(&["plugin", "build", "nowhere"]).await.refused();
    assert!(
        said.contains("there is no folder or file nowhere"),
        "{said}"
    );
    let said = cli
        .run(&["plugin", "new", "Wrong", "--lang", "rust"])
        .await
        .refused();
    assert!(said.contains("starting with a letter"), "{said}");
    let said = cli
        .run(&["plugin", "new", "right", "--lang", "cobol"])
        .await
        .refused();
    assert!(said.contains("rust, js, ts, python, go, c"), "{said}");
    cli.write("taken/file", "");
    let said = cli
        .run(&["plugin", "new", "taken", "--lang", "c"])
        .await
        .refused();
    assert!(said.contains("taken is there already"), "{said}");

    for words in [
        vec!["plugin", "get", "nobody"],
        vec!["plugin", "logs", "nobody"],
        vec!["plugin", "rollback", "nobody"],
        vec!["plugin", "activate", "nobody", "1"],
        vec!["plugin", "delete", "nobody"],
    ] {
        let said = cli.run(&words).await.refused();
        assert!(said.contains("has no plugin nobody"), "{words:?}: {said}");
        assert!(said.contains("hookgate plugin list"), "{words:?}: {said}");
    }
    let words = ["plugin", "activate", "skinny", "77"];
    let said = cli.run(&words).await.refused();
    assert!(said.contains("skinny has no such version"), "{said}");

    let refused = Cli::new()
        .set("HOOKGATE_URL", gateway.url())
        .set("HOOKGATE_API_KEY", "hgk_wrong");
    let said = refused.run(&["plugin", "list"]).await.refused();
    assert!(
        said.contains("(401)") && said.contains("HOOKGATE_API_KEY"),
        "{said}"
    );
    let nobody = Cli::new().set("HOOKGATE_URL", "http://127.0.0.1:9");
    let said = nobody.run(&["plugin", "list"]).await.refused();
    assert!(
        said.contains("no gateway answers at http://127.0.0.1:9"),
        "{said}"
    );
    assert!(said.contains("hookgate serve"), "{said}");
}

#[tokio::test]
async fn a_missing_tool_is_one_line_with_what_to_type() {
    let cli = Cli::new();
    let _ = cli
        .run(&["plugin", "new", "first", "--lang", "rust"])
        .await
        .good();
    let _ = cli
        .run(&["plugin", "new", "second", "--lang", "js"])
        .await
        .good();
    // A machine with nothing on it.
    let empty = cli.path("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let without = |project: &str| {
        let mut command = cli.command(&cli.path(project), &["plugin", "build"]);
        command.env("PATH", &empty).env("XDG_CACHE_HOME", &empty);
        command
    };
    for project in ["first", "second"] {
        let output = without(project).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{project}: {said}");
        let error = said.lines().find(|line| line.starts_with("error: "));
        assert!(
            error.is_some_and(|line| line.contains("Type: ")),
            "{project}: {said}"
        );
        assert!(said.lines().count() <= 3, "{project}: {said}");
    }
}

#[tokio::test]
async fn a_watched_project_is_built_tested_pushed_and_shown_at_work() {
    let gateway = Gateway::fresh().await;
    let cli = of(&gateway);
    let _ = cli
        .run(&["plugin", "new", "seen", "--lang", "rust"])
        .await
        .good();
    let id = gateway.send(event("a.b")).await;
    let mut watching = cli
        .command(&cli.path("seen"), &["plugin", "watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut round = async || {
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("watching for changes") {
                return said;
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("it ended:\n{said}");
    };
    let said = round().await;
    assert!(said.contains("passed"), "{said}");
    assert!(said.contains("seen  version 1 is active"), "{said}");
    assert!(said.contains(&id) && said.contains("a.b"), "{said}");

    replace(&cli, "seen/src/lib.rs", "//!", "//! Changed.\n//!");
    cli.write(
        "seen/src/lib.rs",
        format!(
            "{}\npub const CHANGED: u8 = 1;\n",
            cli.read("seen/src/lib.rs")
        ),
    );
    let said = round().await;
    assert!(said.contains("passed"), "{said}");

    let whole = cli.read("seen/src/lib.rs");
    cli.write("seen/src/lib.rs", "this is not Rust");
    let said = round().await;
    assert!(
        said.contains("error:") && said.contains("does not compile"),
        "{said}"
    );
    cli.write("seen/src/lib.rs", whole);
    let said = round().await;
    assert!(said.contains("passed"), "it goes on: {said}");
    watching.kill().await.unwrap();
}
