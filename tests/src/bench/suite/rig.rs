//! A gateway with its database, a load and a sink: what every benchmark of the suite is built on.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::cost::{Processes, Used};
use super::super::gateway::{ADMIN_KEY, Gateway, Plugins};
use super::super::ledger::{Account, Ledger};
use super::super::load::{self, DATA_BYTES, Request, Sent, Shape, USUAL};
use super::super::sink::{self, Sink};
use super::book::Book;
use super::database::Database;
use super::floor::Floor;

const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Without any arrival for so long, what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections open and plugins compile before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Rig {
    pub(super) gateway: Gateway,
    pub(super) database: Database,
    pub(super) ledger: Arc<Ledger>,
    pub(super) sink: Sink,
    pub(super) processes: Processes,
}

/// What a stretch of load came to.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) numbers: Range<u64>,
    pub(super) account: Account,
    /// From the first send to the last answer.
    pub(super) sending: Duration,
    /// From the first send to the last arrival.
    pub(super) span: Duration,
    pub(super) used: Used,
    /// That the database was asked meanwhile; none where it does not count.
    pub(super) statements: Option<i64>,
}

/// How events are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Each producer as fast as it is answered.
    Full,
    PerSecond(u32),
    /// As fast as they are answered, until there are so many.
    Count(u64),
}

impl Rig {
    /// Starts a gateway whose database counts statements, where it can.
    pub(super) async fn start(book: &mut Book) -> anyhow::Result<Self> {
        let gateway = Gateway::start().await?;
        let database = Database::of(&gateway.database_url().await?).await?;
        let is_counted = database.ask_for_counter().await?;
        database.close().await;
        if !is_counted {
            book.note("statements are not counted: this Postgres comes without pg_stat_statements; `apt-get install postgresql-contrib` or your system's like of it brings it");
        }
        let folder = gateway.data_folder();
        gateway.stop().await?;
        let gateway = Gateway::start_in(folder, &[]).await?;
        let ledger = Arc::new(Ledger::new());
        let sink = sink::start(Arc::clone(&ledger)).await?;
        Self::around(gateway, ledger, sink).await
    }

    /// With a gateway that was started elsewhere.
    pub(super) async fn around(
        gateway: Gateway,
        ledger: Arc<Ledger>,
        sink: Sink,
    ) -> anyhow::Result<Self> {
        let database = Database::of(&gateway.database_url().await?).await?;
        let processes = Processes {
            gateways: vec![gateway.pid()?],
            postmaster: database.postmaster().await?,
        };
        Ok(Self {
            gateway,
            database,
            ledger,
            sink,
            processes,
        })
    }

    /// Ends the gateway as a crash would, and starts another on its data.
    pub(super) async fn crash_and_restart(self) -> anyhow::Result<Self> {
        let gateway = self.gateway.crash_and_restart().await?;
        Self::around(gateway, self.ledger, self.sink).await
    }

    /// The usual subscription, to so many receivers of the sink, each of its own.
    pub(super) async fn subscribe(
        &self,
        receivers: u32,
        plugins: Plugins,
    ) -> anyhow::Result<Vec<String>> {
        self.ledger.fan_out_to(receivers);
        let mut ids = Vec::new();
        for receiver in 0..receivers {
            let wish = json!({
                "event_types": ["bench.*"],
                "target_url": self.sink.url(receiver),
                "plugins": plugins.wish(),
                "delivery": {"max_in_flight": if receivers == 1 { 256 } else { 16 }},
            });
            ids.push(self.gateway.subscribe_as(&wish).await?);
        }
        Ok(ids)
    }

    pub(super) async fn unsubscribe(&self, ids: &[String]) -> anyhow::Result<()> {
        for id in ids {
            self.gateway.unsubscribe(id).await?;
        }
        Ok(())
    }

    /// The same client straight to the sink.
    pub(super) async fn floor(&self, data_bytes: usize, window: Duration) -> anyhow::Result<Floor> {
        let delivery = Request::delivery_of(self.sink.address, data_bytes);
        self.ledger.fan_out_to(1);
        let before = self.processes.used()?;
        let sent = load::closed_loop(&delivery, &self.ledger, window).await?;
        let used = self.processes.used()? - before;
        let count = self.ledger.account(sent.numbers).arrived.max(1) as f64;
        Ok(Floor {
            per_second: count / sent.took.as_secs_f64(),
            us: used.load.as_secs_f64() * 1e6 / count,
        })
    }

    pub(super) async fn usual_floor(&self, window: Duration) -> anyhow::Result<Floor> {
        self.floor(DATA_BYTES, window).await
    }

    pub(super) fn request(&self, shape: Shape<'_>) -> Request {
        Request::event_of((self.gateway.address(), "/v1/events"), ADMIN_KEY, shape)
    }

    pub(super) async fn warm_up(&self) -> anyhow::Result<()> {
        let sent = load::closed_loop(&self.request(USUAL), &self.ledger, WARM_UP).await?;
        self.arrivals(sent.numbers).await;
        Ok(())
    }

    /// Sends, waits until all has arrived, and counts what it took.
    pub(super) async fn measure(
        &self,
        (shape, pace): (Shape<'_>, Pace),
        window: Duration,
    ) -> anyhow::Result<Measured> {
        self.measure_at(&[self.gateway.address()], (shape, pace), window)
            .await
    }

    /// The same, spread over several nodes.
    pub(super) async fn measure_at(
        &self,
        addresses: &[SocketAddr],
        (shape, pace): (Shape<'_>, Pace),
        window: Duration,
    ) -> anyhow::Result<Measured> {
        let requests: Vec<Request> = addresses
            .iter()
            .map(|address| Request::event_of((*address, "/v1/events"), ADMIN_KEY, shape))
            .collect();
        let before = (self.processes.used()?, self.database.statements().await?);
        let Sent { numbers, took } = match pace {
            Pace::Full => load::closed_loop_at(&requests, &self.ledger, window).await?,
            Pace::PerSecond(rate) => {
                load::open_loop(&requests[0], &self.ledger, (rate, window)).await?
            }
            Pace::Count(count) => load::burst(&requests[0], &self.ledger, count).await?,
        };
        let account = self.arrivals(numbers.clone()).await;
        let used = self.processes.used()? - before.0;
        let statements = self.database.statements().await?.zip(before.1);
        Ok(Measured {
            span: self.ledger.span(numbers.clone()),
            numbers,
            account,
            sending: took,
            used,
            statements: statements.map(|(after, before)| after - before),
        })
    }

    /// Waits until all that was acknowledged has arrived, or nothing arrives any more.
    pub(super) async fn arrivals(&self, numbers: Range<u64>) -> Account {
        let mut seen = 0;
        let mut moved_at = Instant::now();
        loop {
            let arrivals = self.ledger.arrivals();
            if arrivals > seen {
                (seen, moved_at) = (arrivals, Instant::now());
            } else {
                // The account looks at every event, so it waits for a moment of quiet.
                let account = self.ledger.account(numbers.clone());
                if account.missing == 0 || moved_at.elapsed() > PATIENCE {
                    return account;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.database.close().await;
        self.gateway.stop().await
    }
}
