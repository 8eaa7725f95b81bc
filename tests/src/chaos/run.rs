//! Carries out a plan against real gateways on a durable Postgres, and writes down what was seen.
//!
//! Judges nothing: that is the checker's business. Every process is started here and ended by its
//! id; when the run is over, none is left.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hookgate::domain::attempt::Outcome;
use hookgate::domain::ids::{DeliveryId, EventId};
use serde_json::json;
use sqlx::PgPool;

use super::history::{Attempt, Event, History, Injected, Lane, Parked, Receipt, Subscription};
use super::plan::{Plan, Trouble};
use crate::load::Load;
use crate::{Cluster, Durability, Gateway, GatewayOptions, Receiver, Reply, Subscribed, wait};

/// Least waits between attempts; jitter only makes them longer.
const SCHEDULE_SECONDS: [i64; 12] = [1, 1, 1, 2, 2, 3, 5, 5, 5, 5, 5, 5];
/// All that was accepted must have ended by then.
const REST_LIMIT: Duration = Duration::from_secs(180);

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub seed: u64,
    pub span: Duration,
    pub gateways: usize,
    pub publishers: usize,
}

/// Everything that a run needs, and what was done to it.
struct Rig {
    clock: Clock,
    cluster: Cluster,
    gateways: Vec<Gateway>,
    parties: Vec<(Receiver, Subscribed)>,
    load: Load,
    troubles: Vec<Injected>,
}

/// One clock for all that this process writes down.
#[derive(Clone, Copy)]
struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_1970 = since_1970.expect("the clock is past 1970").as_millis();
        Self {
            started: Instant::now(),
            started_ms: i64::try_from(since_1970).expect("milliseconds of our age fit"),
        }
    }

    fn ms(self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.started).as_millis();
        self.started_ms + i64::try_from(since).unwrap_or(i64::MAX)
    }
}

/// Runs the seed's plan and brings the books home. `tell` hears of each step.
///
/// # Panics
/// Where a gateway or Postgres does not come up again.
pub async fn run(setting: Setting, tell: impl Fn(&str)) -> History {
    let plan = Plan::of(setting.seed, setting.span, setting.gateways);
    let cluster = Cluster::start(Durability::Full).await;
    let database = cluster.fresh_database().await;
    let mut gateways = Vec::new();
    for _ in 0..setting.gateways {
        gateways.push(Gateway::start(GatewayOptions::on(&database)).await);
    }
    let parties = subscribe(&gateways[0]).await;
    let load = Load::start(&gateways.iter().collect::<Vec<_>>(), setting.publishers);
    let mut rig = Rig {
        clock: Clock::start(),
        cluster,
        gateways,
        parties,
        load,
        troubles: Vec::new(),
    };
    for (calm, trouble) in &plan.steps {
        tokio::time::sleep(*calm).await;
        tell(&format!("{trouble}"));
        rig.inject(*trouble).await;
    }
    rig.load.acknowledges(50).await;
    tell("the load ends; waiting until all is at rest");
    let Rig {
        clock,
        cluster,
        gateways,
        parties,
        load,
        troubles,
    } = rig;
    let acknowledged = load.finish().await;
    let pool = database.pool_when_up().await;
    if wait::within(REST_LIMIT, || async {
        is_at_rest(&pool).await.then_some(())
    })
    .await
    .is_none()
    {
        tell("it does not come to rest");
    }
    let mut history = books(&pool).await;
    history.plan = plan;
    history.gateways = setting.gateways;
    history.troubles = troubles;
    history.acknowledged = acknowledged.iter().map(|id| event_id(id)).collect();
    for (receiver, subscribed) in &parties {
        let id = subscribed
            .id
            .parse()
            .map(hookgate::domain::ids::SubscriptionId::get);
        let id = id.expect("the id of a subscription");
        let waits_ms = SCHEDULE_SECONDS.map(|seconds| seconds * 1000).to_vec();
        history.subscriptions.push(Subscription { id, waits_ms });
        history.receipts.extend(receipts(clock, receiver, id));
    }
    drop(gateways);
    drop(cluster);
    history
}

/// A subscription for each kind of receiver.
async fn subscribe(gateway: &Gateway) -> Vec<(Receiver, Subscribed)> {
    let mut parties = Vec::new();
    for script in scripts() {
        let receiver = Receiver::answering(script).await;
        let waits = SCHEDULE_SECONDS.map(|seconds| format!("{seconds}s"));
        let wish = json!({
            "event_types": ["load.*"],
            "delivery": {"retry_schedule": waits, "timeout": "2s"},
        });
        let subscribed = gateway.subscribe_with(wish, &receiver).await;
        parties.push((receiver, subscribed));
    }
    parties
}

/// One receiver takes everything, one refuses some of it, one is slow now and then.
fn scripts() -> [Vec<Reply>; 3] {
    let moods = |other: Reply| {
        let mut script = Vec::new();
        for number in 0..300 {
            let is_moody = number % 5 == 0;
            script.push(if is_moody {
                other.clone()
            } else {
                Reply::Status(200)
            });
        }
        script.push(Reply::Status(200));
        script
    };
    [
        vec![Reply::Status(200)],
        moods(Reply::Status(500)),
        moods(Reply::Slow(Duration::from_millis(300))),
    ]
}

impl Rig {
    async fn inject(&mut self, trouble: Trouble) {
        let from = Instant::now();
        match trouble {
            Trouble::KillGateway { gateway } => {
                self.spare(gateway);
                self.gateways[gateway].kill_9().await;
                self.gateways[gateway].restart().await;
            }
            Trouble::StopGateway { gateway } => {
                self.spare(gateway);
                self.gateways[gateway].stop().await;
                self.gateways[gateway].restart().await;
            }
            Trouble::FreezeGateway { gateway, ms } => {
                self.spare(gateway);
                self.gateways[gateway].freeze().await;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.gateways[gateway].thaw().await;
            }
            Trouble::KillPostgres => {
                self.cluster.kill_9().await;
                self.cluster.start_again().await;
            }
            Trouble::KillPostgresAndGateway { gateway } => {
                self.spare(gateway);
                self.cluster.kill_9().await;
                self.gateways[gateway].kill_9().await;
                self.cluster.start_again().await;
                self.gateways[gateway].restart().await;
            }
            Trouble::ReceiversFail { ms } => self.receivers_answer(&Reply::Status(500), ms).await,
            Trouble::ReceiversHang { ms } => self.receivers_answer(&Reply::Hang, ms).await,
        }
        self.load.now_at(&self.gateways.iter().collect::<Vec<_>>());
        self.troubles.push(Injected {
            what: trouble.to_string(),
            may_repeat: trouble.may_repeat(),
            from_ms: self.clock.ms(from),
            to_ms: self.clock.ms(Instant::now()),
        });
    }

    /// Publishers turn to the others, where there are any.
    fn spare(&self, gateway: usize) {
        let others = self.gateways.iter().enumerate();
        let others: Vec<&Gateway> = others
            .filter(|(index, _)| *index != gateway)
            .map(|(_, other)| other)
            .collect();
        if !others.is_empty() {
            self.load.now_at(&others);
        }
    }

    async fn receivers_answer(&self, reply: &Reply, ms: u64) {
        for (receiver, _) in &self.parties {
            receiver.now_answers([reply.clone()]);
        }
        tokio::time::sleep(Duration::from_millis(ms)).await;
        for (receiver, _) in &self.parties {
            receiver.now_answers([Reply::Status(200)]);
        }
    }
}

fn event_id(text: &str) -> i64 {
    let id: EventId = text.parse().expect("the id of an event");
    id.get()
}

fn receipts(clock: Clock, receiver: &Receiver, subscription: i32) -> Vec<Receipt> {
    let receipts = receiver.receipts().into_iter();
    receipts
        .map(|receipt| {
            let delivery: DeliveryId = receipt.id().parse().expect("the id of a delivery");
            Receipt {
                // A delivery's id names its subscription; where it is not this one, the checker says so.
                subscription: match delivery.subscription.get() {
                    named if named == subscription => subscription,
                    other => -other,
                },
                event: delivery.event.get(),
                at_ms: clock.ms(receipt.arrived_at),
                is_signed: receiver.is_signed(&receipt),
                data: receipt.data(),
                is_accepted: receipt.was_accepted(),
            }
        })
        .collect()
}

/// No delivery without an end, nothing parked, and every checkpoint past its lane.
async fn is_at_rest(pool: &PgPool) -> bool {
    let open: Result<i64, _> = sqlx::query_scalar(
        "select (select count(*) from parked)
           + (select count(*) from event e join lane l using (lane) where e.id > l.checkpoint)
           + (select count(*) from event e cross join lateral unnest(e.targets) t (id)
              where not exists (select from attempt a where a.lane = e.lane and a.event_id = e.id
                                and a.subscription_id = t.id and a.is_final))",
    )
    .fetch_one(pool)
    .await;
    matches!(open, Ok(0))
}

async fn books(pool: &PgPool) -> History {
    let events: Vec<(i64, i16, Vec<i32>, String)> = sqlx::query_as(
        "select id, lane, targets || keyed, convert_from(payload, 'UTF8') from event order by id",
    )
    .fetch_all(pool)
    .await
    .expect("the events can be read");
    let parked: Vec<(i64, i32)> = sqlx::query_as("select event_id, subscription_id from parked")
        .fetch_all(pool)
        .await
        .expect("the parked rows can be read");
    let lanes: Vec<(i16, i64)> = sqlx::query_as("select lane, checkpoint from lane")
        .fetch_all(pool)
        .await
        .expect("the lanes can be read");
    let nodes: i64 = sqlx::query_scalar("select last_value from node_id_seq")
        .fetch_one(pool)
        .await
        .expect("nodes are counted");
    let event = |(id, lane, targets, data)| Event {
        id,
        lane,
        targets,
        data,
    };
    let waits = |(event, subscription)| Parked {
        event,
        subscription,
    };
    History {
        plan: Plan {
            seed: 0,
            steps: Vec::new(),
        },
        gateways: 0,
        acknowledged: Vec::new(),
        subscriptions: Vec::new(),
        troubles: Vec::new(),
        receipts: Vec::new(),
        events: events.into_iter().map(event).collect(),
        attempts: attempts(pool).await,
        parked: parked.into_iter().map(waits).collect(),
        lanes: lanes
            .into_iter()
            .map(|(lane, checkpoint)| Lane { lane, checkpoint })
            .collect(),
        nodes: (1..=i32::try_from(nodes).unwrap_or(i32::MAX)).collect(),
    }
}

async fn attempts(pool: &PgPool) -> Vec<Attempt> {
    type Row = (i64, i32, i16, i16, bool, i64, i64, i32);
    let rows: Vec<Row> = sqlx::query_as(
        "select event_id, subscription_id, number, outcome, is_final,
           (extract(epoch from at) * 1000)::bigint, duration_ms::bigint, node_id
         from attempt order by at",
    )
    .fetch_all(pool)
    .await
    .expect("the attempts can be read");
    let attempt = |row: Row| {
        let (event, subscription, number, outcome, is_final, started_ms, duration_ms, node) = row;
        let outcome = Outcome::from_code(outcome).map_or("unknown", Outcome::as_str);
        Attempt {
            event,
            subscription,
            number,
            outcome: outcome.to_owned(),
            is_final,
            started_ms,
            duration_ms,
            node,
        }
    };
    rows.into_iter().map(attempt).collect()
}
