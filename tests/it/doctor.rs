//! `hookgate doctor`: each trouble that a machine can have is found, and comes with its cure.

use std::collections::BTreeMap;

use hookgate_tests::gateway::MASTER_KEY;
use hookgate_tests::{Cli, Gateway, Receiver, fresh_database};
use serde_json::{Value, json};

/// What every finding is about, by its name.
struct Findings(BTreeMap<String, Value>);

impl Findings {
    async fn of(cli: &Cli) -> Self {
        let ran = cli.run(&["doctor", "--json"]).await;
        let found: Vec<Value> = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran}"));
        let has_failure = found.iter().any(|finding| finding["state"] == "failure");
        assert_eq!(ran.code, Some(i32::from(has_failure)), "{ran}");
        for finding in &found {
            // Whatever is not in order says what to do.
            let is_ok = finding["state"] == "ok";
            assert_eq!(is_ok, finding["cure"].is_null(), "{finding}");
        }
        let name = |finding: &Value| finding["check"].as_str().unwrap().to_owned();
        Self(
            found
                .into_iter()
                .map(|finding| (name(&finding), finding))
                .collect(),
        )
    }

    #[track_caller]
    fn assert(&self, check: &str, (state, found, cure): (&str, &str, &str)) {
        let finding = self
            .0
            .get(check)
            .unwrap_or_else(|| panic!("no {check}: {:?}", self.0.keys()));
        assert_eq!(finding["state"], state, "{finding}");
        assert!(
            finding["found"].as_str().unwrap().contains(found),
            "{finding}"
        );
        let said = finding["cure"].as_str().unwrap_or_default();
        assert!(said.contains(cure), "{finding}");
    }
}

fn on(url: &str) -> Cli {
    Cli::new()
        .set("DATABASE_URL", url)
        .set("HOOKGATE_MASTER_KEY", MASTER_KEY)
        .set("HOOKGATE_LISTEN", "127.0.0.1:0")
}

#[tokio::test]
async fn a_healthy_machine_has_nothing_to_mend_but_what_is_its_own() {
    let cli = Cli::new().set("HOOKGATE_LISTEN", "127.0.0.1:0");
    let findings = Findings::of(&cli).await;
    for check in [
        "settings",
        "postgres",
        "data folder",
        "port",
        "public URL",
        "proxy",
    ] {
        findings.assert(check, ("ok", "", ""));
    }
    assert!(findings.0.contains_key("IPv6"));
    let text = cli.run(&["doctor"]).await.good();
    assert!(text.contains("ok    settings"), "{text}");
}

#[tokio::test]
async fn what_the_folder_and_the_process_lack_is_found() {
    let cli = Cli::new();
    cli.write("empty/nothing", "");
    let empty = cli.path("empty").display().to_string();
    let findings = Findings::of(&Cli::new().set("HOOKGATE_PG_BIN", &empty)).await;
    findings.assert("postgres", ("failure", "", "lines above"));

    let nowhere = Cli::new().set("HOOKGATE_DATA_DIR", "/proc/hookgate");
    let findings = Findings::of(&nowhere).await;
    findings.assert(
        "data folder",
        ("failure", "cannot be written", "HOOKGATE_DATA_DIR"),
    );

    let old = Cli::new();
    old.write("hookgate-data/postgres/data/PG_VERSION", "13\n");
    let findings = Findings::of(&old).await;
    findings.assert("postgres", ("failure", "13", "lines above"));

    let proxied = Cli::new().set("https_proxy", "http://127.0.0.1:1");
    let findings = Findings::of(&proxied).await;
    findings.assert("proxy", ("warning", "https_proxy", "unset"));

    let open = Cli::new().set("HOOKGATE_LISTEN", "0.0.0.0:0");
    let findings = Findings::of(&open).await;
    findings.assert("public URL", ("warning", "not set", "HOOKGATE_PUBLIC_URL"));

    let unset = Cli::new().set("DATABASE_URL", "postgres://localhost/x");
    let findings = Findings::of(&unset).await;
    findings.assert("settings", ("failure", "master_key", "doctor"));
}

#[tokio::test]
async fn a_database_that_does_not_fit_is_found() {
    let database = fresh_database().await;
    let findings = Findings::of(&on(&database.url)).await;
    findings.assert(
        "DATABASE_URL",
        ("failure", "may lose what it confirmed", ""),
    );

    let fitting = on(&database.url).set("HOOKGATE_ALLOW_UNSAFE_POSTGRES", "true");
    let findings = Findings::of(&fitting).await;
    findings.assert("schema", ("ok", "as this release wants it", ""));
    findings.assert("clock", ("ok", "ms", ""));

    let pool = database.pool().await;
    let newest =
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    sqlx::query(newest).execute(&pool).await.unwrap();
    let findings = Findings::of(&fitting).await;
    findings.assert("schema", ("warning", "behind: 1", "back up"));

    let newer =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (99999, 'of later', true, '', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let findings = Findings::of(&fitting).await;
    findings.assert("schema", ("failure", "ahead: 1", "run that release"));

    sqlx::query("drop schema hookgate cascade")
        .execute(&pool)
        .await
        .unwrap();
    let findings = Findings::of(&fitting).await;
    findings.assert("schema", ("ok", "empty", ""));

    let nobody = on("postgres://127.0.0.1:1/hookgate");
    let findings = Findings::of(&nobody).await;
    findings.assert(
        "DATABASE_URL",
        ("failure", "could not be asked", "embedded"),
    );
}

#[tokio::test]
async fn a_gateway_that_runs_tells_about_its_key_and_its_receivers() {
    let gateway = Gateway::fresh().await;
    let taken = gateway.address();
    let cli = || {
        Cli::of(&gateway)
            .set("HOOKGATE_LISTEN", taken)
            .set("HOOKGATE_ALLOW_PRIVATE_NETWORKS", "true")
    };
    let findings = Findings::of(&cli()).await;
    findings.assert("port", ("warning", "is taken", "HOOKGATE_LISTEN"));
    findings.assert("key", ("ok", gateway.url(), ""));
    findings.assert("receivers", ("ok", "0 of 0", ""));

    let wrong = Cli::new()
        .set("HOOKGATE_LISTEN", taken)
        .set("HOOKGATE_API_KEY", "hgk_mistyped");
    let findings = Findings::of(&wrong).await;
    findings.assert("key", ("failure", "401", "HOOKGATE_API_KEY"));

    let receiver = Receiver::accepting().await;
    gateway.subscribe("*", &receiver).await;
    let findings = Findings::of(&cli()).await;
    findings.assert("receivers", ("ok", "1 of 1", ""));
    // The same receiver, by the rules of a deployment that keeps to the public internet.
    let strict = Cli::of(&gateway).set("HOOKGATE_LISTEN", taken);
    let findings = Findings::of(&strict).await;
    findings.assert(
        "receivers",
        ("failure", "not allowed", "HOOKGATE_ALLOW_PRIVATE_NETWORKS"),
    );

    let nobody = json!({"event_types": ["*"], "target_url": "http://127.0.0.1:1/hooks"});
    gateway
        .api()
        .post("/v1/subscriptions", &nobody)
        .await
        .expect(201);
    let findings = Findings::of(&cli()).await;
    findings.assert("receivers", ("warning", "127.0.0.1:1", "firewalls"));
    assert_eq!(receiver.count(), 0, "nobody is sent anything");
}

#[tokio::test]
async fn too_few_files_are_found() {
    let cli = Cli::new();
    let program = hookgate_tests::gateway::binary();
    let words = format!("ulimit -n 512; exec {} doctor --json", program.display());
    // Under a shell that lowers the limit first.
    let mut limited = tokio::process::Command::new("sh");
    limited.args(["-c", &words]).current_dir(cli.path("."));
    let output = limited.output().await.unwrap();
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let files = found
        .iter()
        .find(|finding| finding["check"] == "open files")
        .unwrap();
    assert_eq!(files["state"], "warning", "{files}");
    assert!(
        files["cure"].as_str().unwrap().contains("LimitNOFILE"),
        "{files}"
    );
}
