//! The task that serves parked rows: it holds this node's share of the buckets, loads what comes
//! due, hands it out at its instant, and writes what came of it.
//!
//! One session holds the locks of all buckets and writes all outcomes of their rows: a row's fate
//! is only ever decided by the session that owns its bucket.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::domain::ids::BucketId;

use super::beat::Beat;
use super::buckets::{Interest, share};
use super::buffer::Buffer;
use super::context::Shared;
use super::due::Due;
use super::error::{Fault, LogError};
use super::firing::fire;
use super::lease::Lease;
use super::loader::Loader;
use super::news::News;
use super::session::{Session, in_time};
use super::settling::write;
use super::turns::Turns;

const RECONNECT_WAIT: Duration = Duration::from_millis(300);
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// Wait for room downstream.
const FULL_WAIT: Duration = Duration::from_millis(20);

/// Serves parked rows until the log stops.
pub(super) async fn run(
    shared: Arc<Shared>,
    (beats, interest): (watch::Receiver<Beat>, watch::Sender<Interest>),
    sweep_every: Duration,
) {
    let mut keeper = Keeper {
        buffer: Buffer::new(),
        due: Due::default(),
        beats,
        interest,
        sweep_every,
        shared,
    };
    loop {
        match keeper.serve().await {
            Ok(()) => return,
            Err(error) => warn!(%error, "no session for parked deliveries"),
        }
        keeper.due.drop_waiting(|_| true);
        keeper.interest.send_replace(Interest::default());
        if keeper.shared.stop.soft.is_cancelled() {
            return;
        }
        sleep(RECONNECT_WAIT).await;
    }
}

enum Step {
    Beat,
    /// Something was stored that waits for others.
    News(News),
    /// Orders or windows have something new.
    Turns,
    Fire,
    Write,
    Received,
    Leave,
}

#[derive(Debug)]
struct Keeper {
    shared: Arc<Shared>,
    beats: watch::Receiver<Beat>,
    interest: watch::Sender<Interest>,
    sweep_every: Duration,
    /// Both outlive a session: what was under way when it was lost still comes back.
    buffer: Buffer,
    due: Due,
}

/// What is held while a session lasts.
#[derive(Debug)]
struct Holding {
    session: Session,
    lease: Lease,
    held: HashSet<BucketId>,
    loader: Loader,
    turns: Turns,
    /// No room downstream until then.
    full_until: Instant,
}

impl Keeper {
    async fn serve(&mut self) -> Result<(), LogError> {
        let session = self.shared.ctx.sessions.open().await?;
        let mut holding = Holding {
            session,
            lease: Lease::new(self.shared.ctx.pulse.clone()),
            held: HashSet::new(),
            loader: Loader::new(self.sweep_every),
            turns: Turns::new(),
            full_until: Instant::now(),
        };
        let served = self.steps(&mut holding).await;
        holding.lease.revoke();
        if served.is_ok() {
            holding.session.close().await;
        }
        served
    }

    async fn steps(&mut self, holding: &mut Holding) -> Result<(), LogError> {
        self.on_beat(holding).await?;
        loop {
            let stops = self.shared.stop.soft.is_cancelled();
            if stops {
                self.due.drop_waiting(|_| true);
                if self.due.is_idle() && self.buffer.flush_at().is_none() {
                    return Ok(());
                }
            }
            match self.next_step(holding, stops).await {
                Step::Beat if stops => {}
                Step::Beat => self.on_beat(holding).await?,
                Step::News(_) | Step::Turns if stops => {}
                Step::News(news) => holding.turns.hear(news),
                Step::Turns => self.take_turns(holding).await?,
                Step::Fire => self.fire(holding).await?,
                Step::Write => self.write(holding).await?,
                Step::Received => {}
                Step::Leave => {
                    self.buffer.receive_now();
                    return self.write(holding).await;
                }
            }
        }
    }

    async fn next_step(&mut self, holding: &Holding, stops: bool) -> Step {
        let stop = &self.shared.stop;
        let write_at = self.buffer.flush_at().unwrap_or_else(Instant::now);
        let now = self.shared.ctx.clock.now();
        let due_in = self.due.next_at(now).map(|at| at.since(now));
        let fire_at = holding
            .full_until
            .max(Instant::now() + due_in.unwrap_or_default());
        let turns_at = holding.turns.next_at(now).filter(|_| !stops);
        tokio::select! {
            () = stop.hard.cancelled() => Step::Leave,
            () = stop.soft.cancelled(), if !stops => Step::Received,
            () = sleep_until(write_at), if self.buffer.flush_at().is_some() => Step::Write,
            () = self.buffer.receive(), if self.buffer.has_room() => Step::Received,
            () = sleep_until(fire_at), if due_in.is_some() => Step::Fire,
            news = self.shared.arrivals.wait(), if !stops => Step::News(news),
            () = sleep_until(turns_at.unwrap_or(fire_at)), if turns_at.is_some() => Step::Turns,
            Ok(()) = self.beats.changed() => Step::Beat,
        }
    }

    /// Takes and gives back buckets, then loads what comes due.
    async fn on_beat(&mut self, holding: &mut Holding) -> Result<(), LogError> {
        let beat = self.beats.borrow_and_update().clone();
        if beat.number == 0 {
            // Until the first beat this node would take itself for the only one.
            return Ok(());
        }
        self.rebalance(holding, &beat).await?;
        holding.turns.hear_beat(&beat);
        if holding.loader.is_sweep_due() {
            holding.turns.sweep(&mut self.due);
        }
        let now = self.shared.ctx.clock.now();
        if holding.loader.is_wanted(beat.next_due_at, now) {
            self.load(holding).await?;
        }
        self.tell(holding, &beat);
        Ok(())
    }

    async fn rebalance(&mut self, holding: &mut Holding, beat: &Beat) -> Result<(), LogError> {
        let mine: HashSet<BucketId> = share(self.shared.ctx.node, &beat.peers)
            .into_iter()
            .collect();
        let leaving: Vec<BucketId> = holding.held.difference(&mine).copied().collect();
        if !leaving.is_empty() {
            self.due.drop_waiting(|bucket| leaving.contains(&bucket));
            let held = &holding.held;
            holding.loader.forget(|subscription| {
                let bucket = BucketId::of(subscription);
                held.contains(&bucket) && !leaving.contains(&bucket)
            });
        }
        // What is under way is finished first.
        let idle = leaving
            .into_iter()
            .filter(|bucket| self.due.under_way_of(*bucket) == 0);
        let idle: Vec<BucketId> = idle.collect();
        self.give_back(holding, &idle).await?;
        let missing: Vec<i16> = mine
            .difference(&holding.held)
            .map(|bucket| bucket.get())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let class = self.shared.ctx.locks.bucket.key();
        let query = sqlx::query_scalar!(
            r#"select b.bucket as "bucket!" from unnest($2::smallint[]) as b (bucket) where pg_try_advisory_lock($1, b.bucket)"#,
            class,
            &missing
        );
        let taken = in_time(query.fetch_all(holding.session.connection())).await?;
        if !taken.is_empty() {
            debug!(buckets = taken.len(), "buckets taken");
            let taken = taken
                .into_iter()
                .filter_map(|bucket| u8::try_from(bucket).ok());
            holding.held.extend(taken.map(BucketId::new));
            holding.loader.sweep();
            holding.turns.sweep(&mut self.due);
        }
        Ok(())
    }

    async fn give_back(
        &mut self,
        holding: &mut Holding,
        buckets: &[BucketId],
    ) -> Result<(), LogError> {
        if buckets.is_empty() {
            return Ok(());
        }
        let class = self.shared.ctx.locks.bucket.key();
        let keys: Vec<i16> = buckets.iter().map(|bucket| bucket.get()).collect();
        let query = sqlx::query_scalar!(
            r#"select pg_advisory_unlock($1, b.bucket) as "freed!" from unnest($2::smallint[]) as b (bucket)"#,
            class,
            &keys
        );
        in_time(query.fetch_all(holding.session.connection())).await?;
        for bucket in buckets {
            holding.held.remove(bucket);
        }
        Ok(())
    }

    /// Those held that stay here: a bucket that is to be given back takes nothing new.
    fn buckets(&self, holding: &Holding) -> Vec<i16> {
        let mine: HashSet<BucketId> = share(self.shared.ctx.node, &self.beats.borrow().peers)
            .into_iter()
            .collect();
        holding.held.intersection(&mine).map(|b| b.get()).collect()
    }

    /// Reads what is new in orders and windows.
    async fn take_turns(&mut self, holding: &mut Holding) -> Result<(), LogError> {
        let buckets = self.buckets(holding);
        self.leave_to_others(holding);
        let ctx = &self.shared.ctx;
        let at = (ctx.node, ctx.clock.now());
        let due = (&mut self.due, &buckets[..]);
        let round = holding.turns.step(&mut holding.session, due, at).await?;
        if round.closed > 0 {
            // Batches are plain rows.
            self.load(holding).await?;
        }
        Ok(())
    }

    /// An order whose bucket was lost while a row of it was under way is its new owner's to go on
    /// with, or two nodes would deliver it.
    fn leave_to_others(&mut self, holding: &Holding) {
        let orders = &mut self.due.orders;
        orders.keep_unread(|bucket| holding.held.contains(&bucket));
    }

    async fn load(&mut self, holding: &mut Holding) -> Result<(), LogError> {
        let buckets = self.buckets(holding);
        let now = self.shared.ctx.clock.now();
        let loaded = holding
            .loader
            .load(&mut holding.session, (&mut self.due, &buckets), now)
            .await;
        let metrics = &self.shared.ctx.metrics;
        metrics
            .due_deliveries
            .set(i64::try_from(self.due.waiting()).unwrap_or(i64::MAX));
        let age = self
            .due
            .next_at(now)
            .map_or(Duration::ZERO, |at| now.since(at));
        metrics.oldest_due_seconds.set(age.as_secs_f64());
        tolerate(loaded)
    }

    fn tell(&self, holding: &Holding, _beat: &Beat) {
        let interest = Interest {
            buckets: holding.held.iter().map(|bucket| bucket.get()).collect(),
            from: holding.loader.from(),
        };
        self.interest.send_if_modified(|known| {
            let changes = *known != interest;
            *known = interest;
            changes
        });
    }

    async fn fire(&mut self, holding: &mut Holding) -> Result<(), LogError> {
        self.leave_to_others(holding);
        let Ok(room) = self.shared.ready.try_reserve() else {
            holding.full_until = Instant::now() + FULL_WAIT;
            return Ok(());
        };
        let now = self.shared.ctx.clock.now();
        let at = (self.shared.ctx.node, now);
        let session = &mut holding.session;
        holding.turns.read(session, &mut self.due, at).await?;
        let rows = self.due.take(now, super::firing::MAX_ROWS);
        if rows.is_empty() {
            return Ok(());
        }
        let works = fire(
            (&mut holding.session, &holding.lease),
            &self.shared.ctx.clock,
            &self.buffer,
            rows,
        )
        .await?;
        if !works.is_empty() {
            room.send(works);
        }
        Ok(())
    }

    async fn write(&mut self, holding: &mut Holding) -> Result<(), LogError> {
        let Self {
            shared,
            buffer,
            due,
            ..
        } = self;
        match write(&shared.ctx, &mut holding.session, &holding.held, buffer).await {
            Ok(written) => super::turns::settle(due, written, shared.ctx.clock.now()),
            Err(error) if error.fault() == Fault::Later => {
                warn!(%error, "outcomes of parked deliveries wait to be written");
                buffer.postpone(RETRY_WAIT);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if holding.loader.is_behind() && !shared.stop.soft.is_cancelled() {
            return self.load(holding).await;
        }
        Ok(())
    }
}

/// Reading may be tried again at the next beat.
fn tolerate(result: Result<(), LogError>) -> Result<(), LogError> {
    match result {
        Err(error) if error.fault() == Fault::Later => {
            warn!(%error, "parked deliveries were not loaded");
            Ok(())
        }
        result => result,
    }
}
