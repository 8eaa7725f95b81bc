//! What waits to be stored: bounded in requests and in bytes, shared by the lanes of a node.
//!
//! There is no timer. While a lane's statement is under way others queue up, and the next
//! statement takes them all: the busier the database, the larger the batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::error::AppendError;
use super::event_log::{Appended, NewEvent};

/// Events of one flush; a single request that is larger gets a flush of its own.
pub(super) const MAX_FLUSH_EVENTS: usize = 512;
const MAX_FLUSH_BYTES: usize = 1 << 20;
const MAX_REQUESTS: usize = 8192;

/// Events that are stored together or not at all, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) events: Vec<NewEvent>,
    pub(super) answer: oneshot::Sender<Result<Vec<Appended>, AppendError>>,
    weight_bytes: usize,
    /// Frees its share of the bound when the request is answered.
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) struct Queue {
    requests: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    waiting_events: Arc<AtomicUsize>,
    taking: Mutex<Taking>,
}

#[derive(Debug)]
struct Taking {
    requests: mpsc::Receiver<Request>,
    /// Did not fit into the last batch.
    next: Option<Request>,
}

impl Queue {
    pub(super) fn new(max_queued_bytes: u32) -> Self {
        let (requests, receiver) = mpsc::channel(MAX_REQUESTS);
        Self {
            requests,
            room: Arc::new(Semaphore::new(max_queued_bytes as usize)),
            waiting_events: Arc::default(),
            taking: Mutex::new(Taking {
                requests: receiver,
                next: None,
            }),
        }
    }

    /// Queues them, or says at once that there is no room.
    pub(super) fn push(
        &self,
        events: Vec<NewEvent>,
    ) -> Result<oneshot::Receiver<Result<Vec<Appended>, AppendError>>, AppendError> {
        let weight_bytes = events.iter().map(NewEvent::weight_bytes).sum::<usize>();
        let weight = u32::try_from(weight_bytes).map_err(|_| AppendError::Busy)?;
        let room = Arc::clone(&self.room)
            .try_acquire_many_owned(weight)
            .map_err(|_| AppendError::Busy)?;
        let (answer, stored) = oneshot::channel();
        let count = events.len();
        let request = Request {
            events,
            answer,
            weight_bytes,
            _room: room,
        };
        self.waiting_events.fetch_add(count, Ordering::Relaxed);
        self.requests.try_send(request).map_err(|_| {
            self.waiting_events.fetch_sub(count, Ordering::Relaxed);
            AppendError::Busy
        })?;
        Ok(stored)
    }

    /// Everything that waits, up to one flush; waits for the first. Losing the race of a `select!`
    /// loses nothing: after the first request has come nothing is awaited.
    pub(super) async fn next_batch(&self) -> Vec<Request> {
        let mut taking = self.taking.lock().await;
        let first = match taking.next.take() {
            Some(request) => request,
            None => taking
                .requests
                .recv()
                .await
                .expect("the queue holds a sender itself"),
        };
        let (mut events, mut bytes) = (first.events.len(), first.weight_bytes);
        let mut batch = vec![first];
        while let Ok(request) = taking.requests.try_recv() {
            events += request.events.len();
            bytes += request.weight_bytes;
            if events > MAX_FLUSH_EVENTS || bytes > MAX_FLUSH_BYTES {
                events -= request.events.len();
                taking.next = Some(request);
                break;
            }
            batch.push(request);
        }
        self.waiting_events.fetch_sub(events, Ordering::Relaxed);
        batch
    }

    /// Answers everything that waits: there is nobody to store it.
    pub(super) async fn refuse_all(&self) {
        let mut taking = self.taking.lock().await;
        loop {
            let next = taking.next.take();
            let Some(request) = next.or_else(|| taking.requests.try_recv().ok()) else {
                return;
            };
            self.waiting_events
                .fetch_sub(request.events.len(), Ordering::Relaxed);
            let _ = request.answer.send(Err(AppendError::Unavailable));
        }
    }

    pub(super) fn waiting_events(&self) -> usize {
        self.waiting_events.load(Ordering::Relaxed)
    }
}
