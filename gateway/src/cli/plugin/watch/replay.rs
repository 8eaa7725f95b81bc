//! Shows a gateway's last events to a plugin, here: nothing is sent again.

use std::sync::Arc;

use hookgate_plugin_golden::observed;
use hookgate_plugin_host::{Export, GuestEvent, Question, Trial, TrialCall};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::output::{line, printable};
use crate::cli::plugin::event::EventArgs;
use crate::cli::plugin::figures;
use crate::cli::plugin::push::Upload;
use crate::cli::query::Query;

const MAX_ANSWER_CHARS: usize = 100;

/// Which events are shown again, and with which config.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    /// How many of the gateway's last events are shown to it; 0 for none
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    last: u16,
    /// Only events of these types: invoice.*
    #[arg(long = "type", value_name = "PATTERN")]
    event_type: Option<String>,
    /// The config for them; else that of the first subscription that uses the plugin
    #[arg(long, value_name = "JSON|FILE")]
    config: Option<String>,
}

impl Replay {
    pub(super) async fn show(
        &self,
        client: &Client,
        upload: &Upload,
        trial: &Trial,
    ) -> anyhow::Result<()> {
        let exports = trial.plugin().exports();
        let sees_events = exports.contains(&Export::Transform) || exports.contains(&Export::Filter);
        if self.last == 0 || !sees_events {
            return Ok(());
        }
        let config = self.config(client, upload).await?;
        let path = Query::of("/v1/events")
            .with("tenant", upload.tenant.as_deref())
            .with("type", self.event_type.as_deref())
            .with("limit", Some(&self.last.to_string()))
            .finish();
        let events = client.get(&path).await?;
        let events = events.value["data"].as_array().cloned();
        let events = events.unwrap_or_default();
        if events.is_empty() {
            line("no events in the last 24 hours to show it; `hookgate send TYPE --data JSON`")?;
        }
        for event in &events {
            let call = TrialCall {
                question: Question::Delivery(guest(client, event).await?),
                config: Arc::clone(&config),
                data_url: "".into(),
                limits: None,
            };
            let run = trial.fresh(&call).await;
            print(event, &run)?;
        }
        Ok(())
    }

    async fn config(&self, client: &Client, upload: &Upload) -> anyhow::Result<Arc<str>> {
        let given = EventArgs {
            event: None,
            config: self.config.clone(),
        };
        if let Some(config) = given.config()? {
            return Ok(config);
        }
        let path = Query::of("/v1/subscriptions")
            .with("tenant", upload.tenant.as_deref())
            .finish();
        let subscriptions = client.get(&path).await?;
        Ok(used_config(&subscriptions.value, upload.name.as_str()))
    }
}

fn used_config(subscriptions: &Value, name: &str) -> Arc<str> {
    let all = subscriptions["data"].as_array().into_iter().flatten();
    let uses = all.filter_map(|one| one["plugins"].as_array()).flatten();
    let mut own = uses.filter(|used| used["name"] == name);
    let config = own.next().map(|used| used["config"].to_string());
    config.unwrap_or_else(|| "{}".to_owned()).into()
}

/// The event as a plugin sees it, its data fetched.
async fn guest(client: &Client, event: &Value) -> anyhow::Result<GuestEvent> {
    let text = |member: &str| event[member].as_str().map(Arc::<str>::from);
    let id = text("id").unwrap_or_default();
    let data = client.get_bytes(&format!("/v1/events/{id}/data")).await?;
    Ok(GuestEvent {
        source: text("source").unwrap_or_default(),
        event_type: text("type").unwrap_or_default(),
        subject: text("subject"),
        time_ms: time_ms(event),
        tenant: text("tenant").unwrap_or_else(|| "default".into()),
        key: text("key").or_else(|| text("subject")),
        content_type: text("content_type").unwrap_or_else(|| "application/json".into()),
        data,
        attributes: Arc::from([]),
        id,
    })
}

fn time_ms(event: &Value) -> u64 {
    let told = event["time"].as_str().or(event["received_at"].as_str());
    let at = told.and_then(|text| crate::domain::clock::Timestamp::parse_rfc3339(text).ok());
    at.and_then(|at| u64::try_from(at.as_ms()).ok())
        .unwrap_or(0)
}

fn print(event: &Value, run: &hookgate_plugin_host::TrialRun) -> std::io::Result<()> {
    let text = |member: &str| printable(event[member].as_str().unwrap_or("-"));
    let answer = match &run.result {
        Ok(_) => observed(&run.result, None).to_string(),
        Err(failure) => format!("failed: {failure}"),
    };
    let mut shown: String = printable(&answer).chars().take(MAX_ANSWER_CHARS).collect();
    if answer.chars().count() > MAX_ANSWER_CHARS {
        shown.push('…');
    }
    line(&format!(
        "  {}  {:<24} {:>9}  {shown}",
        text("id"),
        text("type"),
        figures::time(run.duration)
    ))
}
