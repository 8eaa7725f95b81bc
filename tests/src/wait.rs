//! Waiting for something to become true, with an end.
//!
//! A wait is a question asked again and again until it is answered or the time is up, so a fast
//! machine waits briefly and a slow one is not called broken.

use std::time::{Duration, Instant};

/// Generous on purpose: it is only ever used up by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Asks until the answer is there.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
pub async fn until<T, F, Answer>(what: &str, question: F) -> T
where
    F: FnMut() -> Answer,
    Answer: Future<Output = Option<T>>,
{
    match within(PATIENCE, question).await {
        Some(answer) => answer,
        None => panic!("waited {} s in vain: {what}", PATIENCE.as_secs()),
    }
}

/// Asks until the answer is there or `patience` is used up.
pub async fn within<T, F, Answer>(patience: Duration, mut question: F) -> Option<T>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(answer) = question().await {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
