//! Hours in little: a steady load with retries and a plugin that is replaced again and again, while a
//! gateway or Postgres is killed now and then. What grows where nothing should grow is seen.
//!
//! Of two gateways only the second is killed; the first one's memory and files are watched.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::account::Party;
use crate::bench::{open_files, resident_bytes};
use crate::component::{distinct, stamping};
use crate::load::Load;
use crate::{Account, Cluster, Durability, Gateway, GatewayOptions, Receiver, Reply, Subscribed};

/// What can be under way or not written down when somebody dies, for each subscription.
const REPEATS_A_DEATH: usize = 500;
const PUBLISHERS: usize = 8;
/// Of the run: what comes before is warming up.
const WARM_AFTER: f64 = 1.0 / 4.0;
/// Slopes of shorter runs say more about caches than about leaks.
pub const TELLING: Duration = Duration::from_secs(3000);

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub span: Duration,
    /// Events a second.
    pub rate: u32,
    pub reload_every: Duration,
    pub kill_every: Duration,
}

impl Setting {
    /// A dozen reloads and three kills over `span`.
    #[must_use]
    pub fn over(span: Duration) -> Self {
        Self {
            span,
            rate: 40,
            reload_every: (span / 13).max(Duration::from_secs(1)),
            kill_every: (span / 4).max(Duration::from_secs(5)),
        }
    }
}

/// What a soak came to.
#[derive(Clone, Debug)]
pub struct Report {
    pub acknowledged: usize,
    pub refused: usize,
    pub kills: usize,
    pub reloads: usize,
    /// Of the gateway that lived through it.
    pub memory_mib_per_hour: f64,
    pub memory_mib: f64,
    /// Between the least and the most, once warm.
    pub files_apart: usize,
    /// Of acknowledgements: in the first and in the last quarter after warming up.
    pub p99: (Duration, Duration),
    pub repeats: usize,
}

struct Sample {
    at: Duration,
    memory: f64,
    files: usize,
}

struct Rig {
    cluster: Cluster,
    steady: Gateway,
    victim: Gateway,
    parties: Vec<(Receiver, Subscribed)>,
    load: Load,
}

/// Runs, and balances the books.
///
/// # Panics
/// Where an acknowledged event is missing, or somebody does not come up again.
pub async fn run(setting: Setting, tell: impl Fn(&str)) -> Report {
    let mut rig = Rig::start(setting.rate).await;
    let begun = Instant::now();
    let (mut samples, mut kills, mut reloads) = (Vec::new(), 0, 0);
    let pid = rig.steady.pid().expect("it runs");
    let every = (setting.span / 200).clamp(Duration::from_millis(200), Duration::from_secs(10));
    let mut ticks = tokio::time::interval(every);
    while begun.elapsed() < setting.span {
        ticks.tick().await;
        let at = begun.elapsed();
        samples.push(Sample {
            at,
            memory: resident_bytes(pid).expect("it lives") as f64 / f64::from(1 << 20),
            files: open_files(pid).expect("it lives"),
        });
        if at >= setting.reload_every * (reloads + 1) {
            reloads += 1;
            let stamp = u8::try_from(reloads % 8 + 1).expect("one digit");
            let next = distinct(&stamping(stamp), reloads);
            rig.steady.push("stamp", next).await.expect(201);
        }
        if at >= setting.kill_every * (kills + 1) {
            kills += 1;
            rig.kill(kills).await;
            tell(&format!(
                "{} s: {kills} kills, {reloads} reloads, {} events",
                at.as_secs(),
                rig.load.acknowledged().len()
            ));
        }
    }
    rig.report(
        (begun, setting.span),
        &samples,
        (kills as usize, reloads as usize),
    )
    .await
}

impl Rig {
    async fn start(rate: u32) -> Self {
        let cluster = Cluster::start(Durability::Full).await;
        let database = cluster.fresh_database().await;
        let steady = Gateway::start(GatewayOptions::on(&database)).await;
        let victim = Gateway::start(GatewayOptions::on(&database)).await;
        steady.push("stamp", stamping(1)).await.expect(201);
        let mut parties = Vec::new();
        let moody = [
            Reply::Status(500),
            Reply::Status(200),
            Reply::Reset,
            Reply::Status(200),
        ];
        let moody = moody.into_iter().cycle().take(4000).collect::<Vec<_>>();
        let scripts = [vec![Reply::Status(200)], moody, vec![Reply::Status(200)]];
        for (number, script) in scripts.into_iter().enumerate() {
            let receiver = Receiver::answering(script).await;
            let mut wish = json!({
                "event_types": ["load.*"],
                "delivery": {"retry_schedule": ["1s", "1s", "2s", "2s", "5s", "5s", "5s"]},
            });
            if number == 2 {
                wish["plugins"] = json!([{"name": "stamp"}]);
            }
            let subscribed = steady.subscribe_with(wish, &receiver).await;
            parties.push((receiver, subscribed));
        }
        let targets = [&steady, &victim].map(|gateway| gateway.api().clone());
        let pace = Duration::from_secs(1) * u32::try_from(PUBLISHERS).expect("few") / rate;
        let load = Load::paced(targets.to_vec(), PUBLISHERS, pace);
        Self {
            cluster,
            steady,
            victim,
            parties,
            load,
        }
    }

    /// The second gateway, and every other time Postgres.
    async fn kill(&mut self, number: u32) {
        if number.is_multiple_of(2) {
            self.cluster.kill_9().await;
            self.cluster.start_again().await;
        } else {
            self.load.now_at(&[&self.steady]);
            self.victim.kill_9().await;
            self.victim.restart().await;
            self.load.now_at(&[&self.steady, &self.victim]);
        }
    }

    async fn report(
        self,
        (begun, span): (Instant, Duration),
        samples: &[Sample],
        (kills, reloads): (usize, usize),
    ) -> Report {
        let warm = span.mul_f64(WARM_AFTER);
        let first = self.load.took(begun + warm);
        let last = self.load.took(begun + span.mul_f64(0.75));
        let first = &first[..first.len() / 3];
        let refused = self.load.failed().len();
        let acknowledged = self.load.finish().await;
        let mut repeats = 0;
        for (receiver, subscribed) in &self.parties {
            let party = Party {
                subscribed,
                receiver,
            };
            let account = Account::settled(self.steady.database(), party).await;
            account.assert_balanced(&acknowledged, kills * REPEATS_A_DEATH);
            assert_eq!(account.ended("delivered"), account.accepted, "{account:?}");
            repeats += account.accepted_again;
        }
        let warm: Vec<&Sample> = samples.iter().filter(|sample| sample.at >= warm).collect();
        let files = warm.iter().map(|sample| sample.files);
        let most = files.clone().max().unwrap_or_default();
        Report {
            acknowledged: acknowledged.len(),
            refused,
            kills,
            reloads,
            memory_mib_per_hour: slope(&warm) * 3600.0,
            memory_mib: samples.last().map_or(0.0, |sample| sample.memory),
            files_apart: most - files.min().unwrap_or_default(),
            p99: (p99(first), p99(&last)),
            repeats,
        }
    }
}

/// Least squares: MiB a second.
fn slope(samples: &[&Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(|one| of(one)).sum::<f64>() / count;
    let (at, memory) = (mean(|one| one.at.as_secs_f64()), mean(|one| one.memory));
    let (mut both, mut square) = (0.0, 0.0);
    for one in samples {
        let apart = one.at.as_secs_f64() - at;
        both += apart * (one.memory - memory);
        square += apart * apart;
    }
    if square > 0.0 { both / square } else { 0.0 }
}

fn p99(took: &[Duration]) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * 99 / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_what_is_gained_in_time() {
        let sample = |at, memory| Sample {
            at: Duration::from_secs(at),
            memory,
            files: 0,
        };
        let samples = [
            sample(0, 10.0),
            sample(10, 12.0),
            sample(20, 14.0),
            sample(30, 16.0),
        ];
        let samples: Vec<&Sample> = samples.iter().collect();
        assert!((slope(&samples) - 0.2).abs() < 1e-9);
        assert_eq!(slope(&samples[..1]), 0.0);
        let took: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(p99(&took), Duration::from_millis(199));
    }
}
