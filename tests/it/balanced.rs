//! Several nodes behind NGINX with the configuration that is shipped: they join and leave a cluster that
//! works, readiness decides who gets requests, and nothing is lost.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hookgate_tests::account::Party;
use hookgate_tests::load::Load;
use hookgate_tests::tool::{self, Beside};
use hookgate_tests::{
    Account, Api, Gateway, GatewayOptions, Receiver, Subscribed, fresh_database, wait,
};
use tokio::process::Command;

const CURE: &str = "apt-get install nginx-light curl";

struct Balancer {
    api: Api,
    folder: tempfile::TempDir,
    watch: Beside,
    nginx: Beside,
}

/// NGINX, where what watches the nodes has its curl too.
fn nginx() -> Option<PathBuf> {
    tool::found("curl", CURE)?;
    tool::found("nginx", CURE)
}

fn shipped(name: &str) -> PathBuf {
    tool::repository().join("deploy/nginx").join(name)
}

impl Balancer {
    async fn start(program: &Path, first: &Gateway) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let nodes = path.join("nodes.txt");
        std::fs::write(&nodes, "").unwrap();
        add(&nodes, first);
        let once = watch_command(path, "true", "0").status().await.unwrap();
        assert!(once.success());
        for _ in 0..5 {
            let port = tool::free_port();
            write_config(path, port);
            let mut command = Command::new(program);
            command.arg("-p").arg(path).args(["-c", "nginx.conf"]);
            command.args(["-g", "daemon off;"]);
            let mut nginx = Beside::start(command, &path.join("nginx.log"));
            let url = format!("http://127.0.0.1:{port}");
            let api = Api::new(&url, Some(hookgate_tests::gateway::ADMIN_KEY));
            if !answers(&api, &mut nginx).await {
                continue; // Somebody else was quicker with the port.
            }
            let reload = format!(
                "{} -p {} -c nginx.conf -s reload",
                program.display(),
                path.display()
            );
            let watch = Beside::start(watch_command(path, &reload, "0.2"), &path.join("watch.log"));
            return Self {
                api,
                folder,
                watch,
                nginx,
            };
        }
        panic!(
            "nginx does not answer:\n{}",
            std::fs::read_to_string(path.join("nginx.log")).unwrap()
        );
    }

    fn add(&self, gateway: &Gateway) {
        add(&self.folder.path().join("nodes.txt"), gateway);
    }

    /// Which nodes get requests, in NGINX's words.
    fn list(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("nodes.conf")).unwrap()
    }

    async fn has_taken_out(&self, gateway: &Gateway) {
        let line = format!("server {} down;", gateway.address());
        wait::until(&line, || async {
            self.list().contains(&line).then_some(())
        })
        .await;
    }
}

async fn answers(api: &Api, nginx: &mut Beside) -> bool {
    let limit = Duration::from_secs(20);
    wait::within(limit, || async {
        let answer = api
            .try_send(api.request(reqwest::Method::GET, "/readyz"))
            .await;
        answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(())
    })
    .await
    .is_some()
        && nginx.runs()
}

fn add(nodes: &Path, gateway: &Gateway) {
    let mut text = std::fs::read_to_string(nodes).unwrap();
    text.push_str(gateway.address());
    text.push('\n');
    // The whole at once: the watch reads when it likes.
    let new = nodes.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, nodes).unwrap();
}

fn watch_command(folder: &Path, reload: &str, pause: &str) -> Command {
    let mut command = Command::new(shipped("hookgate-nodes"));
    command
        .args(["nodes.txt", "nodes.conf", reload, pause])
        .current_dir(folder);
    command
}

/// The shipped site, at another port and with its list in this folder.
fn write_config(folder: &Path, port: u16) {
    let site = std::fs::read_to_string(shipped("hookgate.conf")).unwrap();
    let here = site
        .replace("listen 80;", &format!("listen 127.0.0.1:{port};"))
        .replace("/etc/nginx/hookgate-nodes.conf", "nodes.conf");
    assert!(here.contains("listen 127") && here.contains("include nodes.conf"));
    std::fs::write(folder.join("site.conf"), here).unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {what};\n"))
        .concat();
    let whole = format!(
        "user root;\nworker_processes 2;\npid nginx.pid;\nerror_log stderr warn;\n\
         events {{}}\nhttp {{\n    access_log off;\n{temporary}    include site.conf;\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), whole).unwrap();
}

async fn takes_events(gateway: &Gateway) {
    wait::until("the node gets its share", || async {
        let stats = gateway.api().get("/v1/stats").await.expect(200);
        (stats["events_accepted"].as_u64()? > 30).then_some(())
    })
    .await;
}

async fn delivered(gateway: &Gateway, (subscribed, receiver): (&Subscribed, &Receiver)) -> Account {
    let party = Party {
        subscribed,
        receiver,
    };
    Account::settled(gateway.database(), party).await
}

/// One node, then three, then one leaves, politely or not.
struct Cluster {
    nodes: Vec<Gateway>,
    balancer: Balancer,
    load: Load,
    receiver: Receiver,
    subscribed: Subscribed,
}

impl Cluster {
    async fn of_three(nginx: &Path) -> Self {
        let database = fresh_database().await;
        let options = || GatewayOptions::on(&database).set(("HOOKGATE_DRAIN_DELAY", "5s"));
        let first = Gateway::start(options()).await;
        let receiver = Receiver::accepting().await;
        let subscribed = first.subscribe("load.*", &receiver).await;
        let balancer = Balancer::start(nginx, &first).await;
        let load = Load::through(vec![balancer.api.clone()], 8);
        load.acknowledges(100).await;
        let mut nodes = vec![first];
        for _ in 0..2 {
            let node = Gateway::start(options()).await;
            balancer.add(&node);
            takes_events(&node).await;
            nodes.push(node);
        }
        Self {
            nodes,
            balancer,
            load,
            receiver,
            subscribed,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_join_and_leave_behind_nginx_and_nobody_is_refused() {
    let Some(nginx) = nginx() else { return };
    let mut cluster = Cluster::of_three(&nginx).await;

    let mut leaving = cluster.nodes.pop().unwrap();
    let asked_at = Instant::now();
    leaving.ask_to_stop().await;
    cluster.balancer.has_taken_out(&leaving).await;
    leaving.gone().await;
    let took = asked_at.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    cluster.load.acknowledges(200).await;
    let failed = cluster.load.failed();
    let acknowledged = cluster.load.finish().await;

    // A reload of NGINX closes idle connections of its clients, and some request may just be on its way.
    // Nobody was told no, and nobody waited in vain for a node.
    let refused: Vec<&String> = failed
        .iter()
        .filter(|end| end.starts_with("status"))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(failed.len() <= 8 * 3, "{failed:?}");
    eprintln!("{} requests met a reload: {failed:?}", failed.len());
    let account = delivered(&cluster.nodes[0], (&cluster.subscribed, &cluster.receiver)).await;
    account.assert_balanced(&acknowledged, 0);
    assert_eq!(account.ended_twice, 0);
    assert_eq!(account.ended("delivered"), acknowledged.len());
    // Over loopback a node shows them to everybody, so the balancer must not.
    assert_eq!(cluster.balancer.api.get("/metrics").await.status, 404);
    assert!(cluster.balancer.nginx.runs() && cluster.balancer.watch.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_behind_nginx_is_taken_out_and_nothing_is_lost() {
    let Some(nginx) = nginx() else { return };
    let mut cluster = Cluster::of_three(&nginx).await;

    let mut victim = cluster.nodes.pop().unwrap();
    victim.kill_9().await;
    cluster.balancer.has_taken_out(&victim).await;
    cluster.load.acknowledges(200).await;
    let acknowledged = cluster.load.finish().await;

    let account = delivered(&cluster.nodes[0], (&cluster.subscribed, &cluster.receiver)).await;
    account.assert_balanced(&acknowledged, 512);
    assert_eq!(account.ended("delivered"), account.accepted);
}
