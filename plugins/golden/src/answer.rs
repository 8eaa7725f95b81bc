//! What a plugin answered, written as an expectation would be.
//!
//! Bytes have three spellings (JSON, text, base64). The one of the expectation is taken where
//! it can hold what came; else the first that can.

use hookgate_plugin_host::{
    Answer, CallFailure, Draft, GuestEvent, Message, Reception, Response, Verdict,
};

use crate::exact::Exact;
use crate::expect::{headers_of, present};
use crate::word::{base64, moment};

/// `result` in the form that expectations have; `like` lends the spelling of bytes.
#[must_use]
pub fn observed(result: &Result<Answer, CallFailure>, like: Option<&Exact>) -> Exact {
    match result {
        Ok(Answer::Verdict(verdict)) => verdict_of(verdict, like),
        Ok(Answer::Accepts(accepts)) => Exact::object([("accepts", Exact::Bool(*accepts))]),
        Ok(Answer::Folded(event)) => {
            let like = like.and_then(|like| like.get("folded"));
            Exact::object([("folded", folded_of(event, like))])
        }
        Ok(Answer::Reception(reception)) => reception_of(reception, like),
        Err(failure) => failure_of(failure, like),
    }
}

fn verdict_of(verdict: &Verdict, like: Option<&Exact>) -> Exact {
    match verdict {
        Verdict::Pass => Exact::from("pass"),
        Verdict::Drop(reason) => Exact::object([("drop", Exact::from(reason.as_str()))]),
        Verdict::Replace(data) => Exact::Object(vec![content("replace", data, like)]),
        Verdict::Deliver(message) => {
            let like = like.and_then(|like| like.get("deliver"));
            Exact::object([("deliver", message_of(message, like))])
        }
    }
}

fn message_of(message: &Message, like: Option<&Exact>) -> Exact {
    Exact::Object(vec![
        content_type(&message.content_type),
        content("body", &message.body, like),
        ("headers".to_owned(), headers_of(&message.headers)),
    ])
}

fn folded_of(event: &GuestEvent, like: Option<&Exact>) -> Exact {
    Exact::Object(vec![
        content_type(&event.content_type),
        content("data", &event.data, like),
    ])
}

fn reception_of(reception: &Reception, like: Option<&Exact>) -> Exact {
    match reception {
        Reception::Accepted(drafts) => {
            let like = like.and_then(|like| like.get("accepted"));
            let drafts = drafts.iter().enumerate();
            let drafts = drafts.map(|(index, draft)| draft_of(draft, element(like, index)));
            Exact::object([("accepted", Exact::List(drafts.collect()))])
        }
        Reception::Challenge(response) => {
            let like = like.and_then(|like| like.get("challenge"));
            Exact::object([("challenge", response_of(response, like))])
        }
        Reception::Rejected(reason) => Exact::object([("rejected", Exact::from(reason.as_str()))]),
    }
}

fn element(list: Option<&Exact>, index: usize) -> Option<&Exact> {
    match list {
        Some(Exact::List(items)) => items.get(index),
        _ => None,
    }
}

fn draft_of(draft: &Draft, like: Option<&Exact>) -> Exact {
    let mut members = vec![("type".to_owned(), Exact::from(draft.event_type.as_str()))];
    members.extend(present([
        ("id", draft.id.clone()),
        ("subject", draft.subject.clone()),
        ("key", draft.key.clone()),
        ("time", draft.time_ms.map(moment)),
    ]));
    members.extend([
        content_type(&draft.content_type),
        content("data", &draft.data, like),
    ]);
    Exact::Object(members)
}

fn response_of(response: &Response, like: Option<&Exact>) -> Exact {
    Exact::Object(vec![
        ("status".to_owned(), Exact::whole(response.status.into())),
        content_type(&response.content_type),
        content("body", &response.body, like),
    ])
}

fn failure_of(failure: &CallFailure, like: Option<&Exact>) -> Exact {
    let is_by_kind = like.is_some_and(|like| like.get("fails").is_some());
    let (name, text) = match failure {
        _ if is_by_kind => ("fails", failure.kind()),
        CallFailure::InvalidConfig(text) => ("invalid_config", text.as_str()),
        CallFailure::UnusableEvent(text) => ("unusable_event", text.as_str()),
        CallFailure::AgainLater(text) => ("again_later", text.as_str()),
        _ => ("fails", failure.kind()),
    };
    Exact::object([(name, Exact::from(text))])
}

fn content_type(text: &str) -> (String, Exact) {
    ("content_type".to_owned(), Exact::from(text))
}

/// The member that holds `bytes`: `NAME`, `NAME_text` or `NAME_base64`.
fn content(name: &str, bytes: &[u8], like: Option<&Exact>) -> (String, Exact) {
    let (text_name, bytes_name) = (format!("{name}_text"), format!("{name}_base64"));
    let has = |name: &str| like.is_some_and(|like| like.get(name).is_some());
    let as_text = || std::str::from_utf8(bytes).ok().map(Exact::from);
    let as_base64 = || Exact::Text(base64(bytes));
    if has(&bytes_name) {
        return (bytes_name, as_base64());
    }
    if !has(&text_name)
        && let Ok(json) = Exact::parse(bytes)
    {
        return (name.to_owned(), json);
    }
    match as_text() {
        Some(text) => (text_name, text),
        None => (bytes_name, as_base64()),
    }
}
