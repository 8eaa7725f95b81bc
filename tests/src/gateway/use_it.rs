//! What tests do with a gateway all the time: subscribe, send, wait, look at the attempts.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Gateway;
use crate::api::Answer;
use crate::event::NewEvent;
use crate::receiver::Receiver;
use crate::wait;

/// A subscription and what its creator was told.
#[derive(Clone, Debug)]
pub struct Subscribed {
    pub id: String,
    pub secret: String,
    /// The path at its receiver that nobody else has.
    pub path: String,
    /// The whole answer.
    pub body: Value,
}

impl Gateway {
    /// A subscription for these event types, in the tenant `default`, delivered to a path of its
    /// own at `receiver`.
    pub async fn subscribe(&self, event_types: &str, receiver: &Receiver) -> Subscribed {
        self.subscribe_with(json!({"event_types": [event_types]}), receiver)
            .await
    }

    /// The same with any other member; `target_url` is filled in.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn subscribe_with(&self, mut body: Value, receiver: &Receiver) -> Subscribed {
        let path = receiver.next_path();
        body["target_url"] = receiver.url(&path).into();
        let body = self
            .api()
            .post("/v1/subscriptions", &body)
            .await
            .expect(201);
        let text = |member: &str| {
            body[member]
                .as_str()
                .unwrap_or_else(|| panic!("no {member}: {body}"))
                .to_owned()
        };
        let subscribed = Subscribed {
            id: text("id"),
            secret: text("secret"),
            path,
            body: body.clone(),
        };
        receiver.trust((&subscribed.path, &subscribed.secret));
        subscribed
    }

    /// Sends one event and hands over its id.
    ///
    /// # Panics
    /// Where it is not accepted.
    pub async fn send(&self, event: NewEvent) -> String {
        let answer = self
            .api()
            .post_bytes("/v1/events", "application/json", event.to_body())
            .await
            .expect(202);
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// Uploads a component as the next version of this plugin.
    pub async fn push(&self, plugin: &str, component: impl Into<Bytes>) -> Answer {
        let path = format!("/v1/plugins/{plugin}");
        let api = self.api();
        api.put_bytes(&path, "application/wasm", component).await
    }

    /// Waits until no delivery is pending any more, one page of which is proof enough.
    pub async fn settled(&self) {
        wait::until("no delivery is pending", || async {
            let pending = self
                .api()
                .get("/v1/deliveries?state=pending&limit=1")
                .await
                .expect(200);
            pending["data"]
                .as_array()
                .is_some_and(Vec::is_empty)
                .then_some(())
        })
        .await;
    }

    /// The delivery of this event to this subscription, with its attempts, once it is in `state`.
    pub async fn delivery_in(
        &self,
        (event, subscription): (&str, &Subscribed),
        state: &str,
    ) -> Value {
        let list = format!(
            "/v1/deliveries?event={event}&subscription={}&state={state}",
            subscription.id
        );
        let id = wait::until(&format!("the delivery of {event} is {state}"), || async {
            let found = self.api().get(&list).await.expect(200);
            found["data"][0]["id"].as_str().map(str::to_owned)
        })
        .await;
        self.api()
            .get(&format!("/v1/deliveries/{id}"))
            .await
            .expect(200)
    }

    /// The attempts of a delivery, one a line: `1 timed_out`, `2 accepted 200`.
    #[must_use]
    pub fn attempt_log(delivery: &Value) -> String {
        let attempts = delivery["attempts"].as_array().expect("it has attempts");
        let lines: Vec<String> = attempts.iter().map(attempt_line).collect();
        lines.join("\n")
    }
}

fn attempt_line(attempt: &Value) -> String {
    let outcome = attempt["outcome"].as_str().unwrap_or("?");
    match attempt["status"].as_u64() {
        Some(status) => format!("{} {outcome} {status}", attempt["number"]),
        None => format!("{} {outcome}", attempt["number"]),
    }
}

/// The lines of a log that somebody would have to look at.
#[must_use]
pub fn error_lines(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("ERROR") || line.contains("panicked"))
        .collect()
}
