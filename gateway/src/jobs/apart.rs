//! Runs work apart from the threads that serve: on one of its own, which lets them go first.
//!
//! Rows are decoded and outcomes compared wherever the future is polled, and a backtest does both
//! by the hundred thousand. Sockets and timers stay with the runtime.

use std::io;

use hookgate_plugin_host::background_thread;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Waits for `work`, which ends at its next pause once nobody waits any more.
///
/// # Errors
/// Where the system refuses a thread, or `work` panicked.
pub(super) async fn apart<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let runtime = Handle::current();
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let (answer, answered) = oneshot::channel();
    background_thread(name, move || {
        if let Some(done) = runtime.block_on(stop.run_until_cancelled(work)) {
            // Nobody may be waiting any more.
            let _ = answer.send(done);
        }
    })?;
    answered
        .await
        .map_err(|_| io::Error::other("its thread came to no end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn it_runs_on_a_thread_of_its_own_and_uses_the_runtime_s_timers() {
        let (here, there) = (
            std::thread::current().id(),
            apart("apart", async {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                let thread = std::thread::current();
                (thread.id(), thread.name().map(str::to_owned))
            }),
        );
        let (id, name) = there.await.unwrap();
        assert_ne!(id, here);
        assert_eq!(name.as_deref(), Some("apart"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn it_ends_where_nobody_waits_and_a_panic_is_told() {
        let held = Arc::new(());
        let inside = held.clone();
        let endless = apart("apart", async move {
            let _inside = inside;
            std::future::pending::<()>().await;
        });
        let gave_up = tokio::time::timeout(std::time::Duration::from_millis(1), endless).await;
        assert!(gave_up.is_err());
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
        let panicked = apart("apart", async { panic!("on purpose") }).await;
        let panicked: io::Result<()> = panicked;
        assert!(panicked.is_err());
    }
}
