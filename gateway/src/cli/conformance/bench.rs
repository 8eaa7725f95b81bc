//! What every check does: subscribe, send, wait, look at what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::super::client::{Answer, Client, ClientError};
use super::super::local_receiver::Arrival;
use super::stage::{Act, Came, Stage};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::secret::SigningSecret;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a row did not pass.
#[derive(Debug)]
pub(super) enum Fault {
    Failed(String),
    /// The target does not have it.
    Missing(String),
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Failed(error.to_string().replace('\n', ";"))
    }
}

pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Failed(why.into()))
}

/// Fails with the words unless the claim holds.
pub(super) fn ensure(holds: bool, why: impl Into<String>) -> Result<(), Fault> {
    if holds { Ok(()) } else { failed(why) }
}

pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) clock: Clock,
    stage: Stage,
    tenant: String,
    paths: AtomicUsize,
    made: Mutex<Vec<String>>,
}

/// A subscription and its place at the receiver.
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) secret: Option<SigningSecret>,
    pub(super) body: Value,
}

impl Bench {
    pub(super) fn new(client: Client, stage: Stage, clock: Clock) -> Self {
        let now = clock.now().as_ms();
        Self {
            client,
            stage,
            tenant: format!("conformance-{now}"),
            clock,
            paths: AtomicUsize::new(0),
            made: Mutex::default(),
        }
    }

    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// A path of its own that answers so, and its URL.
    pub(super) fn place(&self, acts: Vec<Act>) -> (String, String) {
        let number = self.paths.fetch_add(1, Ordering::Relaxed);
        let path = format!("/{}/{number}", self.tenant);
        let url = self.stage.set(&path, acts);
        (path, url)
    }

    pub(super) fn now_answers(&self, hook: &Hook, acts: Vec<Act>) {
        self.stage.set(&hook.path, acts);
    }

    /// Subscribes to types of this check alone, unless `more` names others.
    pub(super) async fn subscribe(
        &self,
        event_types: &[&str],
        acts: Vec<Act>,
        more: Value,
    ) -> Result<Hook, Fault> {
        let (path, url) = self.place(acts);
        let mut body = more;
        body["tenant"] = json!(self.tenant);
        body["event_types"] = json!(event_types);
        body["target_url"] = json!(url);
        let answer = self.call("POST", "/v1/subscriptions", Some(&body)).await?;
        if answer.status == 422 {
            let detail = answer.value["detail"].as_str().unwrap_or_default();
            return Err(Fault::Missing(format!("refused: {detail}")));
        }
        ensure(
            answer.status == 201,
            format!("POST answered {}", answer.status),
        )?;
        let id = text(&answer.value, "id")?;
        self.made.lock().push(id.clone());
        let secret = answer.value["secret"].as_str();
        Ok(Hook {
            id,
            path,
            secret: secret.and_then(|secret| SigningSecret::parse(secret).ok()),
            body: answer.value,
        })
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Fault> {
        Ok(self.client.call(method, path, body).await?)
    }

    /// The same, where another status than 2xx is a failure.
    pub(super) async fn done(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Fault> {
        let answer = self.call(method, path, body).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.value);
        }
        let detail = answer.value["detail"].as_str().unwrap_or_default();
        failed(format!(
            "{method} {path} answered {}: {detail}",
            answer.status
        ))
    }

    /// Sends an event with exactly this data, and hands over its id.
    pub(super) async fn send(&self, event_type: &str, data: &str) -> Result<String, Fault> {
        let body = format!(
            r#"{{"type":"{event_type}","tenant":"{}","data":{data}}}"#,
            self.tenant
        );
        let reply = self.client.post_json_text("/v1/events", body).await?;
        text(&reply.value, "id")
    }

    pub(super) fn came(&self, hook: &Hook) -> Vec<Came> {
        self.stage.came(&hook.path)
    }

    pub(super) fn came_to(&self, path: &str) -> usize {
        self.stage.came(path).len()
    }

    /// Waits for so many requests, and hands over all of them.
    pub(super) async fn arrivals(&self, hook: &Hook, count: usize) -> Result<Vec<Came>, Fault> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let came = self.came(hook);
            if came.len() >= count {
                return Ok(came);
            }
            if Instant::now() > deadline {
                let waited = PATIENCE.as_secs();
                return failed(format!(
                    "{} of {count} requests came within {waited} s",
                    came.len()
                ));
            }
            self.stage.changed(LOOK_EVERY).await;
        }
    }

    /// Asks again and again until the answer is there.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        path: &str,
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Fault> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.done("GET", path, None).await?;
            if let Some(found) = found(&value) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return failed(format!("waited {} s in vain: {what}", PATIENCE.as_secs()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) async fn in_state(&self, hook: &Hook, state: &str) -> Result<Value, Fault> {
        let what = format!("the subscription is {state}");
        self.until(&what, &hook.at(), |value| {
            (value["state"] == state).then(|| value.clone())
        })
        .await
    }

    /// The delivery with its attempts, once it is in this state.
    pub(super) async fn delivery(
        &self,
        event: &str,
        hook: &Hook,
        state: &str,
    ) -> Result<Value, Fault> {
        let list = format!(
            "/v1/deliveries?event={event}&subscription={}&state={state}",
            hook.id
        );
        let what = format!("the delivery is {state}");
        let id = self
            .until(&what, &list, |value| {
                value["data"][0]["id"].as_str().map(str::to_owned)
            })
            .await?;
        self.done("GET", &format!("/v1/deliveries/{id}"), None)
            .await
    }

    pub(super) fn verify(&self, hook: &Hook, arrival: &Arrival) -> Result<(), Fault> {
        let Some(secret) = &hook.secret else {
            return failed("the subscription was made without a secret");
        };
        // The system's clock, as any receiver would have it.
        let now: Timestamp = self.clock.now();
        arrival
            .verify(secret, now)
            .or_else(|fault| failed(format!("webhook-signature: {fault}")))
    }

    pub(super) async fn clean_up(&self) {
        let made = std::mem::take(&mut *self.made.lock());
        for id in made {
            // What is gone already is fine, and so is a target that is.
            let _ = self.client.delete(&format!("/v1/subscriptions/{id}")).await;
        }
    }
}

impl Hook {
    pub(super) fn at(&self) -> String {
        format!("/v1/subscriptions/{}", self.id)
    }
}

pub(super) fn text(value: &Value, member: &str) -> Result<String, Fault> {
    match value[member].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => failed(format!("the answer has no {member}")),
    }
}

pub(super) fn json_of(arrival: &Arc<Arrival>) -> Result<Value, Fault> {
    serde_json::from_slice(&arrival.body).or_else(|_| failed("the body is not JSON"))
}
