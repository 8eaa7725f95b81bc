//! A full disk loses nothing that was acknowledged, is told, and heals by itself once there is space.
//!
//! The disks are small ones in memory, mounted where only the test's own Postgres sees them.

use std::time::{Duration, Instant};

use hookgate_tests::account::Party;
use hookgate_tests::bench::resident_bytes;
use hookgate_tests::load::Load;
use hookgate_tests::postgres::{Part, can_mount};
use hookgate_tests::{
    Account, Cluster, Database, Gateway, GatewayOptions, Receiver, Subscribed, event, figures,
    tool, wait,
};

const MIB: usize = 1 << 20;
/// What was under way, or answered and not written down, when Postgres died.
const MAX_REPEATS_A_DEATH: usize = 500;
/// From the moment that there is space, or that Postgres accepts connections.
const FLOWING_WITHIN: Duration = Duration::from_secs(15);

/// Writes rows of somebody else until there is no space, or no server, left.
async fn fill(database: &Database) {
    let pool = database.pool().await;
    let created = sqlx::query("create table filler (line text)")
        .execute(&pool)
        .await;
    created.unwrap();
    let more = "insert into filler select repeat('x', 4000) from generate_series(1, 20)";
    while sqlx::query(more).execute(&pool).await.is_ok() {}
}

/// What the gateway says about its readiness.
async fn is_ready(gateway: &Gateway, part: &str) -> bool {
    let answer = gateway.api().get("/readyz?verbose").await;
    let answer = answer.json();
    answer[part].as_bool().unwrap_or_else(|| panic!("{answer}"))
}

struct Rig {
    cluster: Cluster,
    gateway: Gateway,
    receiver: Receiver,
    subscribed: Subscribed,
    load: Load,
}

impl Rig {
    async fn start(part: Part) -> Self {
        let cluster = Cluster::with_apart(part).await;
        let database = cluster.fresh_database().await;
        let gateway = Gateway::start(GatewayOptions::on(&database)).await;
        let receiver = Receiver::accepting().await;
        let subscribed = gateway.subscribe("load.*", &receiver).await;
        let load = Load::start(&[&gateway], 4);
        load.acknowledges(200).await;
        Self {
            cluster,
            gateway,
            receiver,
            subscribed,
            load,
        }
    }

    /// The books of all that was acknowledged.
    async fn balance(self, max_repeats: usize) -> usize {
        let acknowledged = self.load.finish().await;
        let party = Party {
            subscribed: &self.subscribed,
            receiver: &self.receiver,
        };
        let account = Account::settled(self.gateway.database(), party).await;
        account.assert_balanced(&acknowledged, max_repeats);
        assert_eq!(account.ended("delivered"), account.accepted);
        acknowledged.len()
    }

    /// Nothing is taken any more; the next one is refused at once, and told to come again.
    async fn refuses(&self) {
        wait::until("events are refused", || async {
            let failed = self.load.failed();
            (failed.len() > 20).then_some(())
        })
        .await;
        let api = self.gateway.api();
        let refused = wait::until("an answer 503", || async {
            let request = api
                .request(reqwest::Method::POST, "/v1/events")
                .header("content-type", "application/json")
                .body(event("a.b").to_body());
            let answer = api.try_send(request).await.ok()?;
            (answer.status == 503).then_some(answer)
        })
        .await;
        assert!(refused.headers.contains_key("retry-after"));
        assert!(!refused.text().contains("space"), "{}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_table_space_loses_nothing_and_heals() {
    if !can_mount() {
        return tool::left_out("a disk of its own cannot be mounted (needs root)");
    }
    let rig = Rig::start(Part::Tables).await;
    let pid = rig.gateway.pid().unwrap();

    rig.cluster.leave(2 * MIB).await;
    fill(rig.gateway.database()).await;
    rig.refuses().await;
    wait::until("it says that nothing is stored", || async {
        (!is_ready(&rig.gateway, "storing").await).then_some(())
    })
    .await;
    assert!(is_ready(&rig.gateway, "database").await);
    let log = rig.gateway.log();
    assert!(log.contains("No space left on device"), "{log}");
    assert!(log.contains("give the database space"), "{log}");
    let before = resident_bytes(pid).unwrap();
    let failed = rig.load.failed().len();
    wait::until("many more are refused", || async {
        (rig.load.failed().len() > failed + 500).then_some(())
    })
    .await;
    let grown_mib = resident_bytes(pid).unwrap().saturating_sub(before) / MIB as u64;

    let begun = Instant::now();
    rig.cluster.give_space().await;
    rig.load.acknowledges(50).await;
    let healed = begun.elapsed();
    assert!(healed < FLOWING_WITHIN, "{healed:?}");
    assert!(is_ready(&rig.gateway, "storing").await);
    assert!(grown_mib <= 20, "{grown_mib} MiB more");
    let refused = rig.load.failed();
    assert!(refused.iter().all(|end| end == "status 503"), "{refused:?}");
    let refused = refused.len();
    let acknowledged = rig.balance(0).await;
    figures::record(
        "R7",
        format!(
            "table space full: 0 of {acknowledged} acknowledged lost, {refused} answered 503, 0 repeats, {grown_mib} MiB \
             more memory, flowing {:.1} s after there was space",
            healed.as_secs_f64()
        ),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_write_ahead_log_loses_nothing_and_heals() {
    if !can_mount() {
        return tool::left_out("a disk of its own cannot be mounted (needs root)");
    }
    let rig = Rig::start(Part::Wal).await;
    rig.cluster.leave(2 * MIB).await;
    // Postgres gives up as a whole: it cannot even write that it cannot write.
    fill(rig.gateway.database()).await;
    rig.refuses().await;
    wait::until("it says that the database is away", || async {
        (!is_ready(&rig.gateway, "database").await).then_some(())
    })
    .await;

    rig.cluster.give_space().await;
    rig.cluster.revive().await;
    let begun = Instant::now();
    rig.load.acknowledges(50).await;
    let healed = begun.elapsed();
    assert!(healed < FLOWING_WITHIN, "{healed:?}");
    let refused = rig.load.failed().len();
    let acknowledged = rig.balance(MAX_REPEATS_A_DEATH).await;
    figures::record(
        "R7",
        format!(
            "write-ahead log full, Postgres down: 0 of {acknowledged} acknowledged lost, {refused} answered 503, flowing {:.1} s after it \
             accepted connections",
            healed.as_secs_f64()
        ),
    );
}
