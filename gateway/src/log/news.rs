//! Tells the owner of a bucket that something was stored for it to hand out in turn: at once on the
//! same node, by one notification for many on others.
//!
//! A hint only: what is not heard is found by the next beat.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::debug;

use crate::domain::clock::Timestamp;
use crate::domain::ids::SubscriptionId;

use super::beat::Beat;
use super::context::Shared;
use super::event_log::Wait;

const CHANNEL: &str = "hookgate_turns";
/// Notifications of one node are at least so far apart.
const GATHER: Duration = Duration::from_millis(30);
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// What is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Rows of orders.
    pub(super) has_rows: bool,
    /// When the first of the new windows closes.
    pub(super) window_at: Option<Timestamp>,
}

impl News {
    pub(super) fn add(&mut self, parked: &[(SubscriptionId, Wait)]) {
        self.has_rows |= parked.iter().any(|(_, wait)| wait.is_soon());
    }

    pub(super) fn windows_close(&mut self, at: Option<Timestamp>) {
        self.window_at = at;
    }

    fn merge(&mut self, other: Self) {
        self.has_rows |= other.has_rows;
        self.window_at = self.window_at.into_iter().chain(other.window_at).min();
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// News on their way to the keeper of parked rows, and to other nodes.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    here: Letterbox,
    elsewhere: Letterbox,
}

#[derive(Debug, Default)]
struct Letterbox {
    news: Mutex<News>,
    arrived: Notify,
}

impl Letterbox {
    fn put(&self, news: News) {
        self.news.lock().merge(news);
        self.arrived.notify_one();
    }

    async fn wait(&self) -> News {
        loop {
            let news = std::mem::take(&mut *self.news.lock());
            if !news.is_empty() {
                return news;
            }
            self.arrived.notified().await;
        }
    }
}

impl Arrivals {
    /// What a lane has stored; costs nothing where nothing waits for others.
    pub(super) fn tell(&self, news: News) {
        if !news.is_empty() {
            self.here.put(news);
            self.elsewhere.put(news);
        }
    }

    /// For the keeper. Losing the race of a `select!` loses nothing: the last step takes.
    pub(super) async fn wait(&self) -> News {
        self.here.wait().await
    }
}

/// Passes news on to other nodes, and theirs to the keeper here, until the log stops.
pub(super) async fn run(shared: Arc<Shared>, pool: PgPool, beats: watch::Receiver<Beat>) {
    let stop = shared.stop.soft.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = speak(&shared, &pool, &beats) => {}
        () = listen(&shared, &pool) => {}
    }
}

async fn speak(shared: &Shared, pool: &PgPool, beats: &watch::Receiver<Beat>) {
    loop {
        let news = shared.arrivals.elsewhere.wait().await;
        if beats.borrow().peers.is_empty() {
            continue;
        }
        let window_ms = news.window_at.map(|at| at.as_ms().to_string());
        let query = sqlx::query!(
            r#"select pg_notify($1, $2) as "told""#,
            CHANNEL,
            window_ms.unwrap_or_default()
        );
        if let Err(error) = query.fetch_one(pool).await {
            debug!(%error, "other nodes were not told of what is new");
        }
        sleep(GATHER).await;
    }
}

async fn listen(shared: &Shared, pool: &PgPool) {
    loop {
        if let Err(error) = listen_once(shared, pool).await {
            debug!(%error, "not listening for what other nodes store");
        }
        sleep(LISTEN_AGAIN).await;
    }
}

async fn listen_once(shared: &Shared, pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let told = listener.recv().await?;
        let window_at = told.payload().parse().ok().map(Timestamp::from_ms);
        shared.arrivals.here.put(News {
            has_rows: true,
            window_at,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn news_add_up_until_somebody_takes_them() {
        let arrivals = Arrivals::default();
        arrivals.tell(News::default());
        let at = |ms| Some(Timestamp::from_ms(ms));
        for (has_rows, window_at) in [(false, at(9)), (true, None), (false, at(4))] {
            arrivals.tell(News {
                has_rows,
                window_at,
            });
        }
        let all = News {
            has_rows: true,
            window_at: at(4),
        };
        assert_eq!(arrivals.wait().await, all);
        assert_eq!(arrivals.elsewhere.wait().await, all);
    }
}
