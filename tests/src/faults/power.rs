//! Power cuts under load: Postgres lies on a disk that loses what was not synced, and both are ended
//! at once, again and again.
//!
//! With the settings that Hookgate insists on, every acknowledged event must be there afterwards. With
//! those that it refuses, some must be gone, or Postgres must not start: else the rig shows nothing.

use std::path::Path;
use std::time::Duration;

use hookgate::domain::ids::EventId;

use crate::load::Load;
use crate::{Cluster, Database, Gateway, GatewayOptions, Receiver};

/// How long a server may take until it accepts connections, or is given up.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const PUBLISHERS: usize = 16;

/// What Postgres is told beside its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// What Hookgate insists on.
    Kept,
    /// `fsync=off`.
    NothingSynced,
    /// `synchronous_commit=off`.
    CommitsLate,
}

impl Promise {
    /// Both must be seen to lose something.
    pub const CONTROLS: [Self; 2] = [Self::NothingSynced, Self::CommitsLate];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "fsync=on",
            Self::NothingSynced => "fsync=off",
            Self::CommitsLate => "synchronous_commit=off",
        }
    }
}

/// What one or several cuts came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    pub cuts: u32,
    pub acknowledged: usize,
    /// Acknowledged, and not there any more.
    pub lost: usize,
    /// Postgres did not come up again.
    pub is_broken: bool,
}

/// How hard a rig is.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The program that is the disk.
    pub disk: &'a Path,
    pub cuts: u32,
    /// Events that are acknowledged between two cuts.
    pub events: usize,
    pub seed: u64,
}

/// Cuts the power under load; every other time the gateway goes with it. Ends early where Postgres
/// does not start again.
///
/// # Panics
/// Where the disk cannot be mounted, or the gateway does not come up.
pub async fn run(setting: Setting<'_>, promise: Promise, tell: impl Fn(&str)) -> Cuts {
    let more: &[&str] = match promise {
        Promise::Kept => &[],
        other => &[other.name()],
    };
    let cluster = Cluster::on_lossy_disk(setting.disk, more).await;
    let database = cluster.fresh_database().await;
    settled_on_disk(&database).await;
    let mut gateway = Gateway::start(GatewayOptions::on(&database)).await;
    let receiver = Receiver::accepting().await;
    gateway.subscribe("load.*", &receiver).await;
    let load = Load::start(&[&gateway], PUBLISHERS);
    let mut seen = Cuts::default();
    for number in 0..setting.cuts {
        load.acknowledges(setting.events).await;
        cluster.cut_power(setting.seed + u64::from(number)).await;
        seen.cuts += 1;
        let goes_too = number % 2 == 1;
        if goes_too {
            gateway.kill_9().await;
        }
        seen.is_broken = !cluster.starts_again(STARTS_WITHIN).await;
        let acknowledged = load.acknowledged();
        seen.acknowledged = acknowledged.len();
        if seen.is_broken {
            tell(&format!("cut {}: Postgres does not start", seen.cuts));
            return seen;
        }
        seen.lost = missing(&database, &acknowledged).await;
        tell(&format!(
            "cut {}: {} acknowledged so far, {} lost",
            seen.cuts, seen.acknowledged, seen.lost
        ));
        if goes_too {
            gateway.restart().await;
            load.now_at(&[&gateway]);
        }
    }
    seen
}

/// What was made before the load is not what is asked about.
async fn settled_on_disk(database: &Database) {
    let pool = database.pool().await;
    let checkpoint = sqlx::query("checkpoint").execute(&pool).await;
    checkpoint.expect("the test is a superuser");
}

/// How many of these events are gone.
async fn missing(database: &Database, ids: &[String]) -> usize {
    let ids: Vec<i64> = ids
        .iter()
        .map(|id| id.parse::<EventId>().expect("the id of an event").get())
        .collect();
    let pool = database.pool_when_up().await;
    let found: i64 = sqlx::query_scalar("select count(*) from event where id = any ($1)")
        .bind(&ids)
        .fetch_one(&pool)
        .await
        .expect("the events can be counted");
    ids.len() - usize::try_from(found).expect("counts are not negative")
}
