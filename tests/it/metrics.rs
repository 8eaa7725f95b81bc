//! What the gateway says in numbers: names that Prometheus' own tool finds nothing wrong with, alerts
//! that fire when they should, dashboards of which no panel stays empty.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use hookgate_tests::tool::{self, Beside};
use hookgate_tests::{Gateway, GatewayOptions, Receiver, Reply, event, fresh_database, wait};
use serde_json::{Value, json};
use tokio::process::Command;

const CURE: &str = "apt-get install prometheus";

fn prometheus_folder() -> PathBuf {
    tool::repository().join("deploy/prometheus")
}

/// Every kind of series: deliveries that work and fail, a plugin, several routes.
async fn busy(gateway: &Gateway) -> (Receiver, Receiver) {
    let good = Receiver::accepting().await;
    let bad = Receiver::answering([Reply::Status(500)]).await;
    let slim = json!({"event_types": ["a.*"],
        "plugins": [{"name": "skinny", "config": {"keep": ["/id"]}}]});
    gateway.subscribe_with(slim, &good).await;
    gateway.subscribe("a.*", &bad).await;
    for number in 0..5 {
        gateway
            .send(event("a.b").data(&json!({"id": number})))
            .await;
    }
    good.verified(5).await;
    bad.received(5).await;
    (good, bad)
}

async fn metrics(gateway: &Gateway, accept: &str) -> (String, String) {
    let request = gateway
        .api()
        .request(reqwest::Method::GET, "/metrics")
        .header("accept", accept);
    let answer = gateway.api().try_send(request).await.unwrap();
    assert_eq!(answer.status, 200);
    let kind = answer.headers["content-type"].to_str().unwrap().to_owned();
    (kind, answer.text())
}

#[tokio::test]
async fn names_and_units_are_as_prometheus_wants_them() {
    let gateway = Gateway::fresh().await;
    let _receivers = busy(&gateway).await;

    let (kind, text) = metrics(&gateway, "*/*").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    for sample in [
        "hookgate_events_accepted_total 5",
        "hookgate_build_info{version=",
        "hookgate_http_request_duration_seconds_bucket{le=\"0.1\",method=\"POST\",route=\"/v1/events\"}",
        "hookgate_http_requests_total{method=\"POST\",route=\"/v1/events\",status=\"202\"} 5",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
    ] {
        assert!(text.contains(sample), "no {sample} in\n{text}");
    }
    let (kind, open) = metrics(
        &gateway,
        "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
    )
    .await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(open.ends_with("# EOF\n"));
    // A word that a client made up is no label.
    let odd = reqwest::Method::from_bytes(b"BREW").unwrap();
    let request = gateway.api().request(odd, "/livez");
    gateway.api().try_send(request).await.unwrap();
    assert!(!metrics(&gateway, "*/*").await.1.contains("BREW"));

    let Some(promtool) = tool::found("promtool", CURE) else {
        return;
    };
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]);
    let output = tool::fed(check, text.as_bytes()).await;
    assert!(output.status.success(), "{}", tool::said(&output));
    assert_eq!(tool::said(&output), "");
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_only_then() {
    let Some(promtool) = tool::found("promtool", CURE) else {
        return;
    };
    for arguments in [
        ["check", "rules", "hookgate-alerts.yml"],
        ["test", "rules", "hookgate-alerts_test.yml"],
    ] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(prometheus_folder())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", tool::said(&output));
    }
}

/// An alert that nobody explains, or a page about one that is gone, helps nobody at night.
#[test]
fn each_alert_has_its_page_and_its_test() {
    let rules = std::fs::read_to_string(prometheus_folder().join("hookgate-alerts.yml")).unwrap();
    let tests =
        std::fs::read_to_string(prometheus_folder().join("hookgate-alerts_test.yml")).unwrap();
    let page = tool::repository().join("docs/operations/alerts.md");
    let page = std::fs::read_to_string(page).unwrap();
    let alerts: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let explained: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|title| title.starts_with("Hookgate"))
        .collect();
    assert!(alerts.len() > 10);
    assert_eq!(alerts, explained);
    for alert in alerts {
        let named = format!("alertname: {alert}");
        assert!(
            tests.matches(&named).count() >= 2,
            "{alert}: fires, and does not"
        );
    }
}

/// Every metric is in the reference, and the reference names none that is gone.
#[tokio::test]
async fn the_reference_names_every_metric() {
    let gateway = Gateway::fresh().await;
    let _receivers = busy(&gateway).await;
    let (_, text) = metrics(&gateway, "*/*").await;
    let shown: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let page = tool::repository().join("docs/reference/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let named: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(named, shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_panel_of_the_dashboards_stays_empty() {
    if !tool::is_full("a real Prometheus over two nodes") {
        return;
    }
    let Some(program) = tool::found("prometheus", CURE) else {
        return;
    };
    let database = fresh_database().await;
    let one = Gateway::start(GatewayOptions::on(&database)).await;
    let other = Gateway::start(GatewayOptions::on(&database)).await;
    let _receivers = (busy(&one).await, busy(&other).await);
    let prometheus = Prometheus::start(&program, &[&one, &other]).await;

    let dashboards = ["hookgate-overview.json", "hookgate-plugins.json"];
    let mut asked = 0;
    for name in dashboards {
        for (panel, expression) in expressions(name) {
            asked += 1;
            let what = format!("{name}: {panel}: {expression}");
            wait::until(&what, || async {
                // Rates need something that goes on.
                one.send(event("a.b").data(&json!({"id": 1}))).await;
                other.send(event("a.b").data(&json!({"id": 2}))).await;
                prometheus.has_numbers(&expression).await.then_some(())
            })
            .await;
        }
    }
    assert!(asked > 40, "{asked}");
    prometheus.evaluates_all_alerts().await;
}

/// What the panels ask, with Grafana's variables filled in.
fn expressions(dashboard: &str) -> Vec<(String, String)> {
    let path = tool::repository().join("deploy/grafana").join(dashboard);
    let text = std::fs::read_to_string(path).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ask = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression
                .replace("$__rate_interval", "30s")
                .replace("$job", "hookgate");
            assert!(!expression.contains('$'), "{expression}");
            (title.clone(), expression)
        })
    };
    panels.iter().flat_map(ask).collect()
}

struct Prometheus {
    url: String,
    client: reqwest::Client,
    _process: Beside,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    async fn start(program: &PathBuf, gateways: &[&Gateway]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets: Vec<&str> = gateways.iter().map(|gateway| gateway.address()).collect();
        // The shipped file, with these nodes, a faster pace, and no key, which loopback needs not.
        let shipped = std::fs::read_to_string(prometheus_folder().join("prometheus.yml")).unwrap();
        let config = shipped
            .replace("15s", "1s")
            .replace(
                "    authorization:\n      credentials_file: hookgate-metrics-key\n",
                "",
            )
            .replace("[\"127.0.0.1:8080\"]", &json!(targets).to_string());
        assert!(!config.contains("authorization") && !config.contains("8080"));
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        std::fs::copy(
            prometheus_folder().join("hookgate-alerts.yml"),
            folder.path().join("hookgate-alerts.yml"),
        )
        .unwrap();
        let mut command = Command::new(program);
        command
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(folder.path());
        let process = Beside::start(command, &folder.path().join("log"));
        let mark = "msg=\"Listening on\" address=";
        let address = wait::until("Prometheus listens", || async {
            let log = process.log();
            let (_, rest) = log.split_once(mark)?;
            rest.split_whitespace().next().map(str::to_owned)
        })
        .await;
        Self {
            url: format!("http://{address}"),
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()
                .unwrap(),
            _process: process,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.url), query).unwrap();
        let answer = self.client.get(url).send().await.ok()?;
        answer
            .bytes()
            .await
            .ok()
            .and_then(|body| serde_json::from_slice(&body).ok())
    }

    /// Whether the answer has a value that is one.
    async fn has_numbers(&self, expression: &str) -> bool {
        let answer = self.get("/api/v1/query", &[("query", expression)]).await;
        let Some(answer) = answer else { return false };
        assert_ne!(answer["status"], "error", "{expression}: {answer}");
        let values = answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        values
            .iter()
            .any(|value| value["value"][1].as_str().is_some_and(|text| text != "NaN"))
    }

    async fn evaluates_all_alerts(&self) {
        wait::until("all alerts are evaluated", || async {
            let rules = self.get("/api/v1/rules", &[]).await?;
            let rules = rules["data"]["groups"][0]["rules"].as_array()?;
            assert!(rules.len() > 10);
            assert!(
                rules.iter().all(|rule| rule["health"] != "err"),
                "{rules:?}"
            );
            rules
                .iter()
                .all(|rule| rule["health"] == "ok")
                .then_some(())
        })
        .await;
    }
}
