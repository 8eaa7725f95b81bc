//! Publishers that go on sending whatever happens to the gateways, and know what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Api, Gateway, event, wait};

/// Several publishers, each with one request at a time.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    publishers: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    /// Where to send next; changes when a gateway is started again.
    targets: Mutex<Vec<Api>>,
    acknowledged: Mutex<Vec<String>>,
    /// What requests ended with that were not acknowledged.
    failed: Mutex<Vec<String>>,
    /// When each acknowledged request began, and how long it took.
    took: Mutex<Vec<(Instant, Duration)>>,
    /// Least time between the starts of one publisher's requests.
    pace: Duration,
    is_over: AtomicBool,
}

impl Load {
    /// So many publishers at once, each in turn at one of the gateways.
    #[must_use]
    pub fn start(gateways: &[&Gateway], publishers: usize) -> Self {
        let targets = gateways.iter().map(|gateway| gateway.api().clone());
        Self::through(targets.collect(), publishers)
    }

    /// The same through other addresses than the gateways' own: a balancer's.
    #[must_use]
    pub fn through(targets: Vec<Api>, publishers: usize) -> Self {
        Self::paced(targets, publishers, Duration::ZERO)
    }

    /// The same with at least `pace` between the starts of one publisher's requests.
    #[must_use]
    pub fn paced(targets: Vec<Api>, publishers: usize, pace: Duration) -> Self {
        let shared = Arc::new(Shared {
            targets: Mutex::new(targets),
            acknowledged: Mutex::default(),
            failed: Mutex::default(),
            took: Mutex::default(),
            pace,
            is_over: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for number in 0..publishers {
            tasks.spawn(publish(Arc::clone(&shared), number));
        }
        Self {
            shared,
            publishers: tasks,
        }
    }

    /// Sends to these from now on: a gateway that was started again has another address.
    pub fn now_at(&self, gateways: &[&Gateway]) {
        *self.shared.targets.lock() = gateways
            .iter()
            .map(|gateway| gateway.api().clone())
            .collect();
    }

    /// Waits until `more` further events have been acknowledged.
    pub async fn acknowledges(&self, more: usize) {
        let goal = self.shared.acknowledged.lock().len() + more;
        wait::until(&format!("{more} more acknowledged events"), || async {
            (self.shared.acknowledged.lock().len() >= goal).then_some(())
        })
        .await;
    }

    /// Ids of what was acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<String> {
        self.shared.acknowledged.lock().clone()
    }

    /// How long requests took that began since `since` and were acknowledged.
    #[must_use]
    pub fn took(&self, since: Instant) -> Vec<Duration> {
        let took = self.shared.took.lock();
        let later = took.iter().filter(|(begun, _)| *begun >= since);
        later.map(|(_, took)| *took).collect()
    }

    /// What requests ended with that were not acknowledged so far: a status of 5xx, or no answer.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        self.shared.failed.lock().clone()
    }

    /// Ends all publishers; the ids of all acknowledged events.
    ///
    /// # Panics
    /// Where a publisher was refused for something that it did.
    pub async fn finish(mut self) -> Vec<String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.publishers.join_next().await {
            ended.expect("a publisher ends by itself");
        }
        std::mem::take(&mut self.shared.acknowledged.lock())
    }
}

async fn publish(shared: Arc<Shared>, publisher: usize) {
    let mut pace = tokio::time::interval(shared.pace.max(Duration::from_nanos(1)));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0.. {
        if !shared.pace.is_zero() {
            pace.tick().await;
        }
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let target = {
            let targets = shared.targets.lock();
            targets[(publisher + number) % targets.len()].clone()
        };
        let data = json!({"publisher": publisher, "number": number});
        let body = event("load.sent").data(&data).to_body();
        let request = target
            .request(reqwest::Method::POST, "/v1/events")
            .header("content-type", "application/json")
            .body(body);
        let begun = Instant::now();
        match target.try_send(request).await {
            Ok(answer) if answer.status == 202 => {
                shared.took.lock().push((begun, begun.elapsed()));
                let id = answer.json()["id"].as_str().expect("an id").to_owned();
                shared.acknowledged.lock().push(id);
            }
            // Nothing was promised. Somebody is being killed: give the others some air.
            Ok(answer) if answer.status < 500 => panic!("{}", answer.text()),
            failed => {
                let failed = match failed {
                    Ok(answer) => format!("status {}", answer.status),
                    Err(error) => format!("no answer: {error:?}"),
                };
                shared.failed.lock().push(failed);
                tokio::task::yield_now().await;
            }
        }
    }
}
