//! The recipes of the book, as their readers would run them: a producer and a receiver in each language,
//! against a real gateway, and a forged delivery that none of them takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hookgate_tests::gateway::ADMIN_KEY;
use hookgate_tests::tool::{self, Beside};
use hookgate_tests::{Gateway, Receiver, event, wait};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::fetched::from_pypi;

fn recipe(name: &str) -> PathBuf {
    tool::repository().join("docs/recipes").join(name)
}

fn client() -> reqwest::Client {
    let limit = Duration::from_secs(15);
    reqwest::Client::builder()
        .no_proxy()
        .timeout(limit)
        .build()
        .unwrap()
}

async fn received(url: &str) -> Option<Value> {
    let answer = client().get(format!("{url}/received")).send().await.ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

/// Pays an invoice at the program, twice, and waits until the program got its event, once.
async fn works(name: &str, mut command: Command) {
    let gateway = Gateway::fresh().await;
    let port = tool::free_port();
    let url = format!("http://127.0.0.1:{port}");
    let wish = json!({"event_types": ["invoice.*"], "target_url": format!("{url}/hooks")});
    let subscribed = gateway
        .api()
        .post("/v1/subscriptions", &wish)
        .await
        .expect(201);
    let folder = tempfile::tempdir().unwrap();
    command
        .env("HOOKGATE_URL", gateway.url())
        .env("HOOKGATE_API_KEY", ADMIN_KEY)
        .env("WEBHOOK_SECRET", subscribed["secret"].as_str().unwrap())
        .env("PORT", port.to_string())
        .current_dir(folder.path());
    let program = Beside::start(command, &folder.path().join("log"));
    let is_up = wait::within(wait::PATIENCE, || received(&url)).await;
    assert!(
        is_up.is_some(),
        "{name} does not answer:\n{}",
        program.log()
    );

    for _ in 0..2 {
        let paid = client()
            .post(format!("{url}/invoices/42/pay"))
            .send()
            .await
            .unwrap();
        assert!(paid.status().is_success(), "{name}:\n{}", program.log());
    }
    let got = wait::within(wait::PATIENCE, || async {
        let got = received(&url).await?;
        (got != json!([])).then_some(got)
    })
    .await;
    gateway.settled().await;
    assert_eq!(got, Some(json!([{"id": 42}])), "{name}:\n{}", program.log());
    let forged = client()
        .post(format!("{url}/hooks"))
        .header("webhook-id", "dlv_forged")
        .header(
            "webhook-timestamp",
            time::OffsetDateTime::now_utc().unix_timestamp().to_string(),
        )
        .header("webhook-signature", "v1,bm90IHNpZ25lZA==")
        .body(r#"{"type":"invoice.paid","data":{"id":666}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), 401, "{name}");
    assert_eq!(received(&url).await, Some(json!([{"id": 42}])), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_recipes_work() {
    if !tool::is_full("packages of PyPI") {
        return;
    }
    let Some(python) = tool::found("python3", "apt-get install python3") else {
        return;
    };
    let packages = [
        "fastapi",
        "uvicorn",
        "httpx",
        "tornado",
        "django",
        "standardwebhooks",
    ];
    let wanted = (&packages[..], "fastapi");
    let Some(folder) = from_pypi(&python, "recipes-python", wanted).await else {
        return;
    };
    for name in ["fastapi_app.py", "tornado_app.py", "django_app.py"] {
        let mut command = Command::new(&python);
        command
            .arg(recipe(name))
            .env("PYTHONPATH", &folder)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        works(name, command).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recipe_in_javascript_works() {
    if !tool::is_full("Node.js") {
        return;
    }
    let Some(node) = tool::found("node", "apt-get install nodejs") else {
        return;
    };
    let mut command = Command::new(node);
    command.arg(recipe("node_app.mjs"));
    works("node_app.mjs", command).await;
}

/// The two files of the recipe in one folder, without the `main` that only tries out the first.
fn go_sources(folder: &Path) {
    let verify = tool::repository().join("docs/receivers/verify.go");
    let verify = std::fs::read_to_string(verify).unwrap();
    let (verify, _) = verify.split_once("// go run verify.go").unwrap();
    let verify = verify.replace("\t\"io\"\n", "").replace("\t\"os\"\n", "");
    std::fs::write(folder.join("verify.go"), verify).unwrap();
    std::fs::copy(recipe("go_app.go"), folder.join("app.go")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recipe_in_go_works() {
    if !tool::is_full("Go") {
        return;
    }
    let Some(go) = tool::found("go", "Go 1.22") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    go_sources(folder.path());
    let built = Command::new(go)
        .args(["build", "-o", "app", "app.go", "verify.go"])
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    assert!(built.status.success(), "{}", tool::said(&built));
    works("go_app.go", Command::new(folder.path().join("app"))).await;
}

#[tokio::test]
async fn a_claim_check_and_a_message_for_slack_are_as_the_recipes_say() {
    let gateway = Gateway::fresh().await;
    let (small, slack) = (Receiver::accepting().await, Receiver::accepting().await);
    let skinny = json!({"event_types": ["invoice.*"], "plugins":
        [{"name": "skinny", "config": {"keep": ["/id", "/status"], "data_url": true}}]});
    gateway.subscribe_with(skinny, &small).await;
    let message = json!({"event_types": ["invoice.paid"], "delivery": {"format": "raw"}, "plugins":
        [{"name": "slack", "config": {"text": "Invoice {/data/id} over {/data/total} was paid"}}]});
    gateway.subscribe_with(message, &slack).await;
    let whole = json!({"id": 42, "status": "paid", "total": "7.50", "lines": [1, 2, 3]});
    gateway.send(event("invoice.paid").data(&whole)).await;

    let receipt = small.verified(1).await.remove(0);
    let data = &receipt.json()["data"];
    assert_eq!((&data["id"], &data["status"]), (&json!(42), &json!("paid")));
    assert_eq!(data["lines"], Value::Null);
    let opened = client()
        .get(data["data_url"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    let opened: Value = serde_json::from_slice(&opened.bytes().await.unwrap()).unwrap();
    assert_eq!(opened, whole);
    let text = &slack.verified(1).await[0].json()["text"];
    assert_eq!(text, "Invoice 42 over 7.50 was paid");
}
