//! What the API says about a dry run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookgate_plugin_host::{Answer, Draft, GuestEvent, LogLine, Reception, TrialRun, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::plugin::ComponentDigest;

/// What a plugin hands on: text where it is UTF-8, else base64.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct RunMessageView {
    /// Of the answer to a challenge.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    headers: Vec<(String, String)>,
}

/// An event that a fold or a receiver made; its data is text where it is UTF-8, else base64.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeEventView {
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_ms: Option<u64>,
    content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// What a dry run came to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct DryRunView {
    /// Of the stored version that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// For an event `pass`, `drop`, `replace` or `deliver`, or `accepts` and `refuses` where only
    /// the filter was asked; for a pair `folded`; for a request `accepted`, `challenge` or
    /// `rejected`; and `failed`.
    verdict: &'static str,
    /// Why it was dropped or rejected, or what failed.
    reason: Option<String>,
    /// What to send, or what a challenge is answered with.
    message: Option<RunMessageView>,
    /// What a fold or a receiver made.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<MadeEventView>>,
    duration_us: u128,
    /// Instructions: the same for the same component, input and config.
    fuel: u64,
    /// Instructions before the call, to make the instance.
    start_fuel: u64,
    memory_bytes: usize,
    #[schema(value_type = Vec<Object>)]
    logs: Vec<LogLine>,
    /// Lines that were dropped or shortened.
    logs_cut: u32,
}

impl DryRunView {
    pub(super) fn new(digest: Option<ComponentDigest>, run: TrialRun) -> Self {
        let answer = match run.result {
            Ok(answer) => Self::of_answer(answer),
            Err(failure) => Self {
                verdict: "failed",
                reason: Some(format!("{}: {failure}", failure.kind())),
                ..Self::default()
            },
        };
        Self {
            digest: digest.map(|digest| digest.to_string()),
            duration_us: run.duration.as_micros(),
            fuel: run.fuel,
            start_fuel: run.start_fuel,
            memory_bytes: run.memory_bytes,
            logs: run.logs,
            logs_cut: run.logs_cut,
            ..answer
        }
    }

    fn of_answer(answer: Answer) -> Self {
        match answer {
            Answer::Verdict(verdict) => Self::of_verdict(verdict),
            Answer::Accepts(accepts) => Self {
                verdict: if accepts { "accepts" } else { "refuses" },
                ..Self::default()
            },
            Answer::Folded(event) => Self {
                verdict: "folded",
                events: Some(vec![folded(&event)]),
                ..Self::default()
            },
            Answer::Reception(reception) => Self::of_reception(reception),
        }
    }

    fn of_verdict(verdict: Verdict) -> Self {
        let (verdict, reason, message) = match verdict {
            Verdict::Pass => ("pass", None, None),
            Verdict::Drop(reason) => ("drop", Some(reason), None),
            Verdict::Replace(data) => ("replace", None, Some(message(None, &data))),
            Verdict::Deliver(sent) => {
                let shown = RunMessageView {
                    headers: sent.headers,
                    ..message(Some(sent.content_type), &sent.body)
                };
                ("deliver", None, Some(shown))
            }
        };
        Self {
            verdict,
            reason,
            message,
            ..Self::default()
        }
    }

    fn of_reception(reception: Reception) -> Self {
        match reception {
            Reception::Accepted(drafts) => Self {
                verdict: "accepted",
                events: Some(drafts.into_iter().map(drafted).collect()),
                ..Self::default()
            },
            Reception::Challenge(response) => Self {
                verdict: "challenge",
                message: Some(RunMessageView {
                    status: Some(response.status),
                    ..message(Some(response.content_type), &response.body)
                }),
                ..Self::default()
            },
            Reception::Rejected(reason) => Self {
                verdict: "rejected",
                reason: Some(reason),
                ..Self::default()
            },
        }
    }
}

/// Text, or base64 where it is none.
pub(super) fn shown(data: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(data) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(data))),
    }
}

fn message(content_type: Option<String>, data: &[u8]) -> RunMessageView {
    let (body, body_base64) = shown(data);
    RunMessageView {
        content_type,
        body,
        body_base64,
        ..RunMessageView::default()
    }
}

fn folded(event: &GuestEvent) -> MadeEventView {
    let (data, data_base64) = shown(&event.data);
    MadeEventView {
        event_type: event.event_type.to_string(),
        id: Some(event.id.to_string()),
        subject: event.subject.as_deref().map(str::to_owned),
        key: event.key.as_deref().map(str::to_owned),
        time_ms: Some(event.time_ms),
        content_type: event.content_type.to_string(),
        data,
        data_base64,
    }
}

fn drafted(draft: Draft) -> MadeEventView {
    let (data, data_base64) = shown(&draft.data);
    MadeEventView {
        event_type: draft.event_type,
        id: draft.id,
        subject: draft.subject,
        key: draft.key,
        time_ms: draft.time_ms,
        content_type: draft.content_type,
        data,
        data_base64,
    }
}
