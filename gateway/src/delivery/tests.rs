//! The engine from outside: work goes in, requests reach a receiver, tickets come back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::guard::Guard;
use super::resolver::SystemLookup;
use super::sender::SenderParts;
use super::*;
use crate::domain::attempt::{AttemptNumber, Outcome};
use crate::domain::clock::Timestamp;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, LaneId, TenantId};
use crate::domain::plugin::{OnError, PluginName, PluginUse};
use crate::domain::prepared::{Folded, Outgoing, PipelineResult, PluginFailure, Prepared};
use crate::domain::subscription::{RateLimit, State};
use crate::domain::target_url::{TargetRules, TargetUrl};
use crate::log::work::{After, Completion, Origin, ParkReason, Ticket};

/// For subscriptions that name no number.
const IN_FLIGHT: usize = 5;

struct Known(HashMap<SubscriptionId, Arc<Subscription>>);

impl Subscriptions for Known {
    fn subscription(&self, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.0.get(&id).cloned()
    }
}

/// Plays the plugins: the first one's name says what happens to every event.
struct Plugins;

impl Transform for Plugins {
    fn fold(
        &self,
        _: Arc<Subscription>,
        _: PluginName,
        mut events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Folded> {
        let result = Ok(events.pop().expect("a window holds an event"));
        let ran = Vec::new();
        async move { Folded { result, ran } }.boxed()
    }

    fn run(
        &self,
        subscription: Arc<Subscription>,
        events: Vec<Arc<Event>>,
    ) -> BoxFuture<'static, Vec<Prepared>> {
        let plugin = &subscription.plugins[0];
        let result = match plugin.name.as_str() {
            "slim" => PipelineResult::Deliver(Outgoing {
                content_type: None,
                data: Bytes::from_static(br#"{"slim":true}"#),
                headers: vec![],
            }),
            "match" => PipelineResult::Drop {
                reason: "not wanted".to_owned(),
            },
            _ => PipelineResult::Failed(PluginFailure {
                plugin: plugin.name.clone(),
                kind: "trap",
                reason: "it broke".to_owned(),
                on_error: plugin.on_error,
                retry: None,
            }),
        };
        let one = Prepared {
            result,
            ran: vec![],
        };
        ready(vec![one; events.len()]).boxed()
    }
}

/// Answers with the status that the path names; `/hang` never answers, `/its` as it is told to.
/// Keeps the requests.
struct Receiver {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    told: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::new(AtomicUsize::new(200));
        let shared = (requests.clone(), told.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, told) = shared.clone();
                tokio::spawn(async move {
                    let mut text = String::new();
                    while !is_whole(&text) {
                        let mut buffer = [0; 4096];
                        let count = stream.read(&mut buffer).await.unwrap_or(0);
                        if count == 0 {
                            return;
                        }
                        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
                    }
                    let mut status = text[6..9].to_owned();
                    kept.lock().push(text);
                    if status == "its" {
                        status = told.load(Ordering::Relaxed).to_string();
                    }
                    if status == "han" {
                        std::future::pending::<()>().await;
                    }
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self {
            port,
            requests,
            told,
        }
    }

    fn target(&self, path: &str) -> Option<TargetUrl> {
        TargetUrl::from_stored(&format!("http://127.0.0.1:{}/{path}", self.port))
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.strip_prefix("content-length: ")
            .and_then(|length| length.parse().ok())
    });
    length == Some(body.len())
}

/// A running engine between a ready channel and a completion channel.
struct Bench {
    delivery: Delivery,
    ready: mpsc::Sender<Vec<Work>>,
    completions: mpsc::UnboundedSender<Completion>,
    completed: mpsc::UnboundedReceiver<Completion>,
    disabled: Arc<AtomicUsize>,
    recovered: Arc<AtomicUsize>,
    board: Board,
    receiver: Receiver,
}

/// It may call this machine.
fn sender(clock: &Clock) -> Sender {
    Sender::new(SenderParts {
        guard: Guard::new(TargetRules {
            allow_private_networks: true,
            allowed_ports: vec![],
        }),
        lookup: Arc::new(SystemLookup::new(true)),
        roots: rustls::RootCertStore::empty(),
        limits: crate::config::AttemptLimits::default(),
        proxy: None,
        clock: clock.clone(),
    })
}

impl Bench {
    /// Subscription 1, 2, … as `adjust` makes them of one that targets the path of the same place.
    async fn start(paths: &[&str], adjust: impl Fn(&mut Subscription)) -> Self {
        let receiver = Receiver::start().await;
        let mut known = HashMap::new();
        for (number, path) in (1..).zip(paths) {
            let mut subscription = testing::subscription("http://unused.test/");
            subscription.id = SubscriptionId::new(number);
            subscription.tenant = TenantId::new(number);
            subscription.target = receiver.target(path);
            adjust(&mut subscription);
            known.insert(subscription.id, Arc::new(subscription));
        }
        let clock = Clock::new(|| Timestamp::from_ms(1_700_000_000_500));
        let sender = sender(&clock);
        let disabled = Arc::new(AtomicUsize::new(0));
        let count = |calls: &Arc<AtomicUsize>| {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::Relaxed);
                ready(()).boxed()
            }
        };
        let counted = count(&disabled);
        let disable: Disable = Arc::new(move |_, _| counted());
        let recovered = Arc::new(AtomicUsize::new(0));
        let told = count(&recovered);
        let is_back: Recovered = Arc::new(move |_| told());
        let (ready, works) = mpsc::channel(16);
        let (completions, completed) = mpsc::unbounded_channel();
        let board = Board::default();
        let url = url::Url::parse("https://gate.example/").unwrap();
        let delivery = Delivery::start(DeliveryParts {
            origin: crate::delivery::Origin::new(url),
            config: DeliveryConfig {
                max_in_flight_per_subscription: IN_FLIGHT,
                ..DeliveryConfig::default()
            },
            ready: works,
            outside: Outside {
                subscriptions: Arc::new(Known(known)),
                transform: Arc::new(Plugins),
                disable,
                notify: Arc::new(|_, _| {}),
                nodes: Arc::new(|| 1),
                conclude: Arc::new(|_, _| async {}.boxed()),
                may_start: Arc::new(|| true),
                recovered: is_back,
            },
            sender,
            board: board.clone(),
            clock,
            random: Random::new(|bytes| bytes.fill(0)),
            metrics: Metrics::new(),
        });
        Self {
            delivery,
            ready,
            completions,
            completed,
            disabled,
            recovered,
            board,
            receiver,
        }
    }

    fn work(&self, subscription: i32) -> Work {
        let mut event = testing::event(br#"{"a":1}"#);
        event.tenant = TenantId::new(subscription);
        let subscription = SubscriptionId::new(subscription);
        let delivery = DeliveryId {
            event: event.id,
            subscription,
        };
        let origin = Origin::Lane {
            lane: LaneId::new(3),
            epoch: 1,
        };
        Work {
            event: Arc::new(event),
            subscription,
            number: AttemptNumber::FIRST,
            ticket: Ticket::new(delivery, origin, 0, self.completions.clone()),
            sequence: None,
            company: None,
        }
    }

    /// Hands in one event for the subscription and waits for its ticket.
    async fn deliver(&mut self, subscription: i32) -> Completion {
        let work = self.work(subscription);
        self.ready.send(vec![work]).await.unwrap();
        self.completed.recv().await.unwrap()
    }
}

fn outcome(completion: &Completion) -> Option<Outcome> {
    completion
        .record
        .as_ref()
        .map(|(attempt, _)| attempt.outcome)
}

fn parked(completion: &Completion) -> Option<ParkReason> {
    match completion.after {
        After::Final => None,
        After::Park { reason, .. } => Some(reason),
    }
}

#[tokio::test]
async fn outcomes_lead_to_their_next_steps() {
    let mut bench = Bench::start(&["200", "500", "410"], |_| {}).await;
    let accepted = bench.deliver(1).await;
    assert_eq!(outcome(&accepted), Some(Outcome::Accepted));
    assert_eq!((parked(&accepted), accepted.attempts_made), (None, 1));
    let refused = bench.deliver(2).await;
    assert_eq!(outcome(&refused), Some(Outcome::Refused));
    assert_eq!(parked(&refused), Some(ParkReason::Retry));
    let note = refused.record.unwrap().0.note.unwrap();
    assert_eq!(note.excerpt.as_deref(), Some("ok"));
    let gone = bench.deliver(3).await;
    assert_eq!(
        (outcome(&gone), parked(&gone)),
        (Some(Outcome::Refused), None)
    );
    bench.delivery.drain(Duration::from_secs(10)).await;
    assert_eq!(bench.disabled.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_subscription_that_takes_nothing_is_not_called() {
    let states = [State::Paused, State::Disabled, State::Deleted];
    let mut bench = Bench::start(&["200"; 3], |subscription| {
        subscription.state = states[subscription.id.get() as usize - 1];
    })
    .await;
    assert_eq!(parked(&bench.deliver(1).await), Some(ParkReason::Paused));
    assert_eq!(parked(&bench.deliver(2).await), Some(ParkReason::Missed));
    let cancelled = bench.deliver(3).await;
    assert_eq!(outcome(&cancelled), Some(Outcome::Cancelled));
    assert_eq!((parked(&cancelled), cancelled.attempts_made), (None, 0));
    assert!(bench.receiver.requests.lock().is_empty());
}

#[tokio::test]
async fn only_what_plugins_passed_goes_out() {
    let names = ["slim", "match", "broken", "broken", "broken"];
    let on_error = [
        OnError::Park,
        OnError::Park,
        OnError::Park,
        OnError::Retry,
        OnError::Drop,
    ];
    let mut bench = Bench::start(&["200"; 5], |subscription| {
        let index = subscription.id.get() as usize - 1;
        subscription.plugins = vec![PluginUse {
            name: names[index].parse().unwrap(),
            config: serde_json::Value::Null,
            version: None,
            on_error: on_error[index],
        }];
    })
    .await;
    for (subscription, expected, waits) in [
        (1, Outcome::Accepted, None),
        (2, Outcome::Dropped, None),
        (3, Outcome::PluginFailed, Some(ParkReason::Plugin)),
        (4, Outcome::PluginFailed, Some(ParkReason::Retry)),
        (5, Outcome::Dropped, None),
    ] {
        let completion = bench.deliver(subscription).await;
        assert_eq!(outcome(&completion), Some(expected), "{subscription}");
        assert_eq!(parked(&completion), waits, "{subscription}");
    }
    let requests = bench.receiver.requests.lock();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].contains(r#""data":{"slim":true}"#),
        "{requests:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_and_every_ticket_comes_back() {
    let mut bench = Bench::start(&["hang", "200"], |_| {}).await;
    let hanging = (0..100).map(|_| bench.work(1)).collect();
    bench.ready.send(hanging).await.unwrap();
    for _ in 0..20 {
        assert_eq!(outcome(&bench.deliver(2).await), Some(Outcome::Accepted));
    }
    bench.delivery.drain(Duration::ZERO).await;
    let mut returned = 0;
    while let Ok(completion) = bench.completed.try_recv() {
        assert_eq!(parked(&completion), Some(ParkReason::Overflow));
        returned += 1;
    }
    assert_eq!(returned, 100);
    let hung = bench.receiver.requests.lock();
    let hung = hung.iter().filter(|text| text.starts_with("POST /hang"));
    assert_eq!(hung.count(), IN_FLIGHT);
}

#[tokio::test]
async fn a_receiver_that_is_back_gets_a_ramp_and_no_burst() {
    let mut bench = Bench::start(&["its"], |_| {}).await;
    bench.receiver.told.store(500, Ordering::Relaxed);
    for _ in 0..6 {
        assert_eq!(outcome(&bench.deliver(1).await), Some(Outcome::Refused));
    }
    let health = bench.board.health(SubscriptionId::new(1)).unwrap();
    assert_eq!((health.failures, health.max_per_second), (6, None));
    bench.receiver.told.store(200, Ordering::Relaxed);
    let before = bench.receiver.requests.lock().len();
    let due = (0..2_000).map(|_| bench.work(1)).collect();
    let begun = std::time::Instant::now();
    bench.ready.send(due).await.unwrap();
    for _ in 0..80 {
        let completion = bench.completed.recv().await.unwrap();
        assert_eq!(outcome(&completion), Some(Outcome::Accepted));
    }
    // Five were under way when the first was taken; sixty on a ramp of ten a second that doubles
    // every two seconds take three.
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert_eq!(bench.recovered.load(Ordering::Relaxed), 1);
    let health = bench.board.health(SubscriptionId::new(1)).unwrap();
    assert_eq!(health.failures, 0);
    assert!(health.max_per_second.is_some_and(|rate| rate > 10.0));
    bench.delivery.drain(Duration::from_secs(10)).await;
    let sent = bench.receiver.requests.lock().len() - before;
    assert!((80..400).contains(&sent), "{sent} sent, the others wait");
}

/// What came in on a lane, of a subscription that one node has to pace, goes to the bucket's owner.
#[tokio::test]
async fn an_exact_rate_limit_leaves_everything_to_the_owner_of_its_bucket() {
    let mut bench = Bench::start(&["200"], |subscription| {
        subscription.policy.rate_limit = Some(RateLimit {
            per: Duration::from_secs(1),
            max: 1_000.try_into().unwrap(),
            exact: true,
        });
    })
    .await;
    let sent_on = bench.deliver(1).await;
    assert_eq!(parked(&sent_on), Some(ParkReason::Overflow));
    let After::Park { due_at, .. } = sent_on.after else {
        panic!("it was parked")
    };
    assert_eq!(due_at, Some(Timestamp::from_ms(1_700_000_000_500)));
    assert!(bench.receiver.requests.lock().is_empty());
    let mut work = bench.work(1);
    let origin = Origin::Parked {
        bucket: crate::domain::ids::BucketId::new(1),
        row: 1,
    };
    let delivery = work.ticket.delivery();
    // A ticket that is dropped comes back, so the first one is taken back before.
    drop(std::mem::replace(
        &mut work.ticket,
        Ticket::new(delivery, origin, 0, bench.completions.clone()),
    ));
    bench.completed.recv().await.unwrap();
    bench.ready.send(vec![work]).await.unwrap();
    let accepted = bench.completed.recv().await.unwrap();
    assert_eq!(outcome(&accepted), Some(Outcome::Accepted));
}
