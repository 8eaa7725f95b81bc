//! One event on its way through a subscription's plugins, and what each verdict makes of it.
//!
//! Pure on purpose: verdicts come in as values, so every rule is a table in the tests. The one rule
//! above all: where anything is amiss the passage ends as failed, and nothing goes out.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_plugin_host::{CallFailure, GuestEvent, Message, Verdict};

use crate::domain::event::{Event, is_json};
use crate::domain::headers;
use crate::domain::plugin::{ComponentDigest, PluginName, PluginUse};
use crate::domain::prepared::{Outgoing, PipelineResult, PluginFailure, Prepared, RetryWhen};
use crate::domain::tenant::TenantName;

const MAX_CONTENT_TYPE_BYTES: usize = 255;
const MAX_REASON_BYTES: usize = 2048;

/// An event between two plugins.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    event: Arc<Event>,
    guest: GuestEvent,
    content_type: Option<Box<str>>,
    headers: Vec<(Box<str>, Box<str>)>,
    ran: Vec<(PluginName, ComponentDigest)>,
    end: Option<PipelineResult>,
}

impl Passage {
    pub(super) fn new(event: Arc<Event>, tenant: &TenantName) -> Self {
        Self {
            guest: guest_event(&event, tenant),
            content_type: event.attributes.content_type.clone(),
            headers: Vec::new(),
            ran: Vec::new(),
            end: None,
            event,
        }
    }

    /// Whether the next plugin gets to see it.
    pub(super) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    pub(super) fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// As the next plugin sees it; a clone costs no copy of the data.
    pub(super) fn guest(&self) -> &GuestEvent {
        &self.guest
    }

    /// Kind and reason, where it ended as failed.
    pub(super) fn failure(&self) -> Option<(&'static str, &str)> {
        match &self.end {
            Some(PipelineResult::Failed(failure)) => Some((failure.kind, &failure.reason)),
            _ => None,
        }
    }

    /// Takes in what `plugin`, with the code `digest`, made of the event.
    pub(super) fn apply(
        &mut self,
        plugin: &PluginUse,
        digest: ComponentDigest,
        result: Result<Verdict, CallFailure>,
    ) {
        if !matches!(&result, Err(failure) if failure.is_not_asked()) {
            self.ran.push((plugin.name.clone(), digest));
        }
        let outcome = match result {
            Ok(Verdict::Pass) => Ok(()),
            Ok(Verdict::Drop(reason)) => {
                self.end = Some(PipelineResult::Drop { reason });
                Ok(())
            }
            Ok(Verdict::Replace(data)) => self.take_data(data),
            Ok(Verdict::Deliver(message)) => self.take_message(message),
            Err(failure) => return self.fail_call(plugin, &failure),
        };
        if let Err(Unfit { kind, reason }) = outcome {
            self.fail(plugin, kind, reason);
        }
    }

    /// Ends it as failed; nothing goes out.
    pub(super) fn fail(&mut self, plugin: &PluginUse, kind: &'static str, reason: String) {
        self.end = Some(PipelineResult::Failed(PluginFailure {
            plugin: plugin.name.clone(),
            kind,
            reason: cut(reason),
            on_error: plugin.on_error,
            retry: None,
        }));
    }

    /// A failure that another try may mend.
    pub(super) fn set_retry(&mut self, when: RetryWhen) {
        if let Some(PipelineResult::Failed(failure)) = &mut self.end {
            failure.retry = Some(when);
        }
    }

    /// How many bytes the plugins took off the data, where it is to be delivered.
    pub(super) fn saved_bytes(&self) -> usize {
        if self.is_open() {
            self.event.data.len().saturating_sub(self.guest.data.len())
        } else {
            0
        }
    }

    pub(super) fn finish(self) -> Prepared {
        let outgoing = Outgoing {
            content_type: self.content_type,
            data: self.guest.data,
            headers: self.headers,
        };
        Prepared {
            result: self.end.unwrap_or(PipelineResult::Deliver(outgoing)),
            ran: self.ran,
        }
    }

    fn fail_call(&mut self, plugin: &PluginUse, failure: &CallFailure) {
        self.fail(plugin, failure.kind(), failure.to_string());
        if failure.is_not_asked() {
            self.set_retry(RetryWhen::Soon);
        } else if matches!(failure, CallFailure::AgainLater(_)) {
            self.set_retry(RetryWhen::BySchedule);
        }
    }

    fn take_message(&mut self, message: Message) -> Result<(), Unfit> {
        let content_type = checked_content_type(&message.content_type)?;
        self.headers = merged(&self.headers, &message.headers)?;
        self.guest.content_type = content_type.into();
        self.content_type = Some(content_type.into());
        self.take_data(message.body)
    }

    /// Data that calls itself JSON goes into an envelope as it is, so it has to be JSON.
    fn take_data(&mut self, data: Bytes) -> Result<(), Unfit> {
        if is_json(&self.guest.content_type) && !is_json_text(&data) {
            return Err(Unfit {
                kind: "invalid-json",
                reason: format!(
                    "the plugin returned data that is not JSON as {}; return JSON, or `deliver` \
                     with the content type that it has",
                    self.guest.content_type
                ),
            });
        }
        self.guest.data = data;
        Ok(())
    }
}

/// What a plugin returned and cannot be sent.
struct Unfit {
    kind: &'static str,
    reason: String,
}

pub(super) fn guest_event(event: &Event, tenant: &TenantName) -> GuestEvent {
    let attributes = &event.attributes;
    let shared = |text: &Option<Box<str>>| text.as_deref().map(Arc::from);
    let extensions = attributes
        .extensions
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    GuestEvent {
        id: event.id.to_string().into(),
        source: attributes.source.as_deref().unwrap_or_default().into(),
        event_type: event.event_type.clone(),
        subject: shared(&attributes.subject),
        time_ms: u64::try_from(event.time().as_ms()).unwrap_or(0),
        tenant: tenant.shared(),
        key: attributes.key().map(Arc::from),
        content_type: attributes.content_type().into(),
        data: event.data.clone(),
        attributes: extensions.collect(),
    }
}

/// The headers of an earlier plugin stay unless a later one sets the same name.
fn merged(
    earlier: &[(Box<str>, Box<str>)],
    later: &[(String, String)],
) -> Result<Vec<(Box<str>, Box<str>)>, Unfit> {
    let kept = earlier
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .filter(|(name, _)| !later.iter().any(|(set, _)| set.eq_ignore_ascii_case(name)));
    let set = later
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    headers::checked(kept.chain(set)).map_err(|error| Unfit {
        kind: "invalid-header",
        reason: format!("the plugin returned headers that cannot be sent: {error}"),
    })
}

fn checked_content_type(text: &str) -> Result<&str, Unfit> {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let is_fit = text.len() <= MAX_CONTENT_TYPE_BYTES
        && text.contains('/')
        && text.trim() == text
        && text.bytes().all(is_visible);
    if is_fit {
        Ok(text)
    } else {
        Err(Unfit {
            kind: "invalid-content-type",
            reason: format!(
                "the plugin returned the content type {text:.80?}; return a media type such as \
                 application/json"
            ),
        })
    }
}

pub(super) fn is_json_text(data: &[u8]) -> bool {
    std::str::from_utf8(data)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Attributes;
    use crate::domain::ids::{EventId, TenantId};
    use crate::domain::plugin::OnError;

    const DIGEST: ComponentDigest = ComponentDigest([7; 32]);

    fn plugin(name: &str) -> PluginUse {
        PluginUse {
            name: name.parse().unwrap(),
            config: serde_json::json!({}),
            version: None,
            on_error: OnError::Park,
        }
    }

    fn passage() -> Passage {
        let event = Event {
            id: EventId::new(1),
            tenant: TenantId::new(1),
            event_type: "invoice.paid".into(),
            attributes: Attributes::default(),
            data: Bytes::from_static(b"{\"id\": 1, \"secret\": 2}"),
        };
        Passage::new(Arc::new(event), &TenantName::unnamed())
    }

    fn message(content_type: &str, headers: &[(&str, &str)], body: &'static str) -> Verdict {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Verdict::Deliver(Message {
            content_type: content_type.to_owned(),
            body: Bytes::from_static(body.as_bytes()),
            headers: headers.collect(),
        })
    }

    fn outgoing(prepared: Prepared) -> Outgoing {
        match prepared.result {
            PipelineResult::Deliver(outgoing) => outgoing,
            other => panic!("not to be delivered: {other:?}"),
        }
    }

    #[test]
    fn what_passes_keeps_its_bytes() {
        let mut passage = passage();
        passage.apply(&plugin("a"), DIGEST, Ok(Verdict::Pass));
        let prepared = passage.finish();
        assert_eq!(prepared.ran, [("a".parse().unwrap(), DIGEST)]);
        let outgoing = outgoing(prepared);
        assert_eq!(outgoing.data, &b"{\"id\": 1, \"secret\": 2}"[..]);
        assert_eq!(outgoing.content_type, None);
    }

    #[test]
    fn each_plugin_sees_what_the_one_before_made() {
        let mut passage = passage();
        let replace = Verdict::Replace(Bytes::from_static(b"{\"id\":1}"));
        passage.apply(&plugin("a"), DIGEST, Ok(replace));
        assert_eq!(passage.guest().data, &b"{\"id\":1}"[..]);
        assert_eq!(passage.saved_bytes(), 14);

        let text = message("text/plain", &[("X-One", "1"), ("x-two", "2")], "hello");
        passage.apply(&plugin("b"), DIGEST, Ok(text));
        assert_eq!(&*passage.guest().content_type, "text/plain");
        let text = message("text/csv", &[("x-TWO", "3")], "hello, you");
        passage.apply(&plugin("c"), DIGEST, Ok(text));

        let outgoing = outgoing(passage.finish());
        assert_eq!(outgoing.data, "hello, you");
        assert_eq!(outgoing.content_type.as_deref(), Some("text/csv"));
        let expected: [(Box<str>, Box<str>); 2] =
            [("x-one".into(), "1".into()), ("x-two".into(), "3".into())];
        assert_eq!(outgoing.headers, expected);
    }

    #[test]
    fn a_drop_ends_it_with_its_reason() {
        let mut passage = passage();
        passage.apply(&plugin("a"), DIGEST, Ok(Verdict::Drop("small".to_owned())));
        assert!(!passage.is_open());
        let reason = "small".to_owned();
        assert_eq!(passage.finish().result, PipelineResult::Drop { reason });
    }

    #[test]
    fn nothing_goes_out_that_cannot_be_sent() {
        let not_utf8 = Verdict::Replace(Bytes::from_static(b"\"\xff\""));
        for (verdict, kind) in [
            (
                Verdict::Replace(Bytes::from_static(b"{\"id\":")),
                "invalid-json",
            ),
            (Verdict::Replace(Bytes::new()), "invalid-json"),
            (not_utf8, "invalid-json"),
            (message("application/json", &[], "no"), "invalid-json"),
            (message("", &[], "{}"), "invalid-content-type"),
            (
                message("text/a\r\nhost: b", &[], "{}"),
                "invalid-content-type",
            ),
            (
                message("text/plain", &[("host", "b")], ""),
                "invalid-header",
            ),
            (
                message("text/plain", &[("a", "b\r\nc: d")], ""),
                "invalid-header",
            ),
        ] {
            let mut passage = passage();
            passage.apply(&plugin("a"), DIGEST, Ok(verdict));
            assert_eq!(passage.failure().map(|(kind, _)| kind), Some(kind));
            assert!(matches!(
                passage.finish().result,
                PipelineResult::Failed(PluginFailure { retry: None, .. })
            ));
        }
    }

    #[test]
    fn failures_say_what_another_try_is_worth() {
        let limit = std::time::Duration::from_millis(50);
        for (failure, expected, has_run) in [
            (CallFailure::Trap("unreachable".to_owned()), None, true),
            (CallFailure::TimedOut { limit }, None, true),
            (
                CallFailure::AgainLater("busy".to_owned()),
                Some(RetryWhen::BySchedule),
                true,
            ),
            (CallFailure::NotReached, Some(RetryWhen::Soon), false),
            (CallFailure::Overloaded, Some(RetryWhen::Soon), false),
        ] {
            let mut passage = passage();
            passage.apply(&plugin("a"), DIGEST, Err(failure));
            let prepared = passage.finish();
            assert_eq!(!prepared.ran.is_empty(), has_run);
            assert!(matches!(
                prepared.result,
                PipelineResult::Failed(failure) if failure.retry == expected
            ));
        }
    }
}
