//! Tells what is at work, on standard error, once it takes long enough to be wondered about.

use std::future::Future;
use std::time::Duration;

/// Work that is done by then is not worth a line.
const PATIENCE: Duration = Duration::from_millis(600);

/// Waits for `work`, and says `what` is under way where it takes a while.
pub(super) async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => step(what),
    }
    work.await
}

/// A line about a step.
pub(super) fn step(text: &str) {
    eprintln!("  {text}");
}
