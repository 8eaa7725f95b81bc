//! Sends the events and compares what comes out with what went in, event by event.
//!
//! A drop is read from the API and believed only where the rule says so; a delivery counts only
//! where the receiver has it, whole and signed.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::client::Client;
use super::arrivals::{Arrivals, Received};
use super::samples::Sample;
use super::scene::{Role, Theme};
use super::screen::{Cell, Screen, Totals};

/// An event whose deliveries have not ended by then counts as missing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at what became of an event.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A subscription that was made.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) role: Role,
    pub(super) id: String,
}

#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) screen: &'a Screen,
    pub(super) client: Client,
    /// For claim checks, which need no key.
    pub(super) keyless: Client,
    pub(super) gateway_url: String,
    pub(super) subscribed: Vec<Subscribed>,
    pub(super) arrivals: Arrivals,
    pub(super) theme: Theme,
}

impl Run<'_> {
    /// Whether all was as it should be.
    pub(super) async fn send_and_compare(&self, samples: Vec<Sample>) -> anyhow::Result<bool> {
        let roles: Vec<Role> = self.subscribed.iter().map(|made| made.role).collect();
        self.screen.head(&roles)?;
        let mut totals = Totals::with_plugins(roles.len() > 1);
        let mut faults = Vec::new();
        let started_at = Instant::now();
        let (sent, mut accepted) = mpsc::unbounded_channel();
        let sending = tokio::spawn(send(self.client.clone(), samples, sent));
        let mut claim = None;
        while let Some((sample, event)) = accepted.recv().await {
            let mut cells = Vec::new();
            for made in &self.subscribed {
                let cell = self.outcome(made, &event, &sample).await?;
                totals.count(&cell);
                if let Cell::Wrong(why) = &cell {
                    let (name, id) = (made.role.name(), &made.id);
                    faults.push(format!(
                        "{} ({event}) for {name} ({id}): {why}",
                        sample.event_type
                    ));
                }
                cells.push(cell);
            }
            self.screen.event(&sample, &cells)?;
            totals.events += 1;
            totals.bytes_in += sample.data.get().len();
            claim.get_or_insert((sample, event));
        }
        sending.await.context("sending ended early")??;
        let last_at = self.arrivals.last_at().unwrap_or(started_at);
        totals.took = last_at.saturating_duration_since(started_at);
        self.screen.totals(&totals)?;
        if let Some((sample, event)) = claim
            && roles.contains(&Role::Skinny)
        {
            match self.open_claim(&sample, &event).await {
                Ok(()) => self.screen.claim_opened(&sample)?,
                Err(why) => faults.push(format!(
                    "the data_url of {} ({event}): {why}",
                    sample.event_type
                )),
            }
        }
        self.screen.verdict(&faults)?;
        Ok(faults.is_empty())
    }

    /// What became of an event for one subscription; waits until it has ended.
    async fn outcome(
        &self,
        made: &Subscribed,
        event: &str,
        sample: &Sample,
    ) -> anyhow::Result<Cell> {
        let deadline = Instant::now() + PATIENCE;
        let is_wanted = made.role.wants(self.theme, &sample.data);
        loop {
            if let Some(received) = self.arrivals.of(made.role, event) {
                return Ok(self.compare(made.role, sample, &received, is_wanted));
            }
            let _ = timeout(LOOK_EVERY, self.arrivals.news()).await;
            if self.arrivals.of(made.role, event).is_some() {
                continue;
            }
            let delivery = self.delivery(made, event).await?;
            let state = delivery["state"].as_str().unwrap_or("unknown");
            let reason = delivery["reason"].as_str().unwrap_or("no reason given");
            match state {
                "dropped" if !is_wanted => {
                    let bytes = sample.data.get().len();
                    let reason = reason.to_owned();
                    return Ok(Cell::Dropped { reason, bytes });
                }
                "dropped" => {
                    return Ok(Cell::Wrong(format!("dropped ({reason}) but should arrive")));
                }
                // What has just been delivered is in the receiver by now.
                "delivered" if self.arrivals.of(made.role, event).is_some() => continue,
                "pending" | "unknown" if Instant::now() < deadline => {}
                _ => {
                    let waits_for = delivery["waits_for"].as_str().unwrap_or("nothing");
                    return Ok(Cell::Wrong(format!(
                        "did not arrive; its state is {state} ({reason}), it waits for {waits_for}"
                    )));
                }
            }
        }
    }

    fn compare(&self, role: Role, sample: &Sample, received: &Received, is_wanted: bool) -> Cell {
        if let Err(fault) = &received.signature {
            return Cell::Wrong(format!("arrived, but badly signed: {fault}"));
        }
        if !is_wanted {
            return Cell::Wrong("arrived, but should have been dropped".to_owned());
        }
        match role.fault(self.theme, &sample.data, &received.data) {
            Some(fault) => Cell::Wrong(format!("arrived, but {fault}")),
            None => Cell::Delivered {
                before_bytes: sample.data.get().len(),
                after_bytes: received.data.get().len(),
            },
        }
    }

    async fn delivery(&self, made: &Subscribed, event: &str) -> anyhow::Result<Value> {
        let path = format!("/v1/deliveries?event={event}&subscription={}", made.id);
        let reply = self.client.get(&path).await?;
        Ok(reply.value["data"][0].clone())
    }

    /// Fetches the whole event with the claim check of its skinny delivery and no key.
    async fn open_claim(&self, sample: &Sample, event: &str) -> Result<(), String> {
        let received = self.arrivals.of(Role::Skinny, event);
        let data: Value = received
            .and_then(|received| serde_json::from_str(received.data.get()).ok())
            .unwrap_or_default();
        let path = data["data_url"]
            .as_str()
            .and_then(|url| url.strip_prefix(self.gateway_url.as_str()))
            .ok_or("it does not lead to the gateway")?;
        let reply = self.keyless.get(path).await;
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.text == sample.data.get() {
            Ok(())
        } else {
            Err("it gives something else than what was sent".to_owned())
        }
    }
}

/// One after another, each answered when it is on disk; hands on each with its id.
async fn send(
    client: Client,
    samples: Vec<Sample>,
    sent: mpsc::UnboundedSender<(Sample, String)>,
) -> anyhow::Result<()> {
    for sample in samples {
        let event_type = Value::from(sample.event_type.as_str());
        let body = format!(r#"{{"type":{event_type},"data":{}}}"#, sample.data.get());
        let reply = client
            .post_json_text("/v1/events", body)
            .await
            .with_context(|| format!("{} could not be sent", sample.event_type))?;
        let id = reply.value["id"].as_str().unwrap_or_default().to_owned();
        if sent.send((sample, id)).is_err() {
            break;
        }
    }
    Ok(())
}
