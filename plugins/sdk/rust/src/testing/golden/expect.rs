//! What a case expects, and whether an answer is that.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Answer;
use super::case::instant;
use super::value::{Bytes, Pairs, given};
use crate::{Draft, Event, Failure, Message, Reception, Response, Verdict, json};

/// One expectation, its bytes decoded.
#[derive(Debug)]
pub(super) enum Expect {
    Pass,
    Drop(String),
    Replace(Bytes),
    Deliver(MessageForm, Bytes),
    Accepts(bool),
    Folded(DataForm, Bytes),
    Accepted(Vec<DraftForm>),
    Challenge(ResponseForm, Bytes),
    Rejected(String),
    Fails(Failure),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    drop: Option<String>,
    #[serde(default, deserialize_with = "given")]
    replace: Option<Box<RawValue>>,
    replace_text: Option<String>,
    replace_base64: Option<String>,
    deliver: Option<MessageForm>,
    accepts: Option<bool>,
    folded: Option<DataForm>,
    accepted: Option<Vec<DraftForm>>,
    challenge: Option<ResponseForm>,
    rejected: Option<String>,
    invalid_config: Option<String>,
    unusable_event: Option<String>,
    again_later: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageForm {
    content_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    body: Option<Box<RawValue>>,
    body_text: Option<String>,
    body_base64: Option<String>,
    headers: Option<Pairs>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DataForm {
    content_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    data: Option<Box<RawValue>>,
    data_text: Option<String>,
    data_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftForm {
    r#type: String,
    id: Option<String>,
    subject: Option<String>,
    key: Option<String>,
    time: Option<String>,
    content_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    data: Option<Box<RawValue>>,
    data_text: Option<String>,
    data_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseForm {
    status: u16,
    content_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    body: Option<Box<RawValue>>,
    body_text: Option<String>,
    body_base64: Option<String>,
}

impl Expect {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match text {
            "\"pass\"" => return Ok(Self::Pass),
            "true" => return Ok(Self::Accepts(true)),
            "false" => return Ok(Self::Accepts(false)),
            _ => {}
        }
        let form: Form = json::from_str(text).map_err(|error| format!("  expect: {error}"))?;
        form.expect().map_err(|error| format!("  expect: {error}"))
    }

    /// # Errors
    /// Tells what was expected and what came.
    pub(super) fn compare(&self, answer: &Result<Answer, Failure>) -> Result<(), String> {
        let is_it = match (self, answer) {
            (Self::Pass, Ok(Answer::Verdict(Verdict::Pass))) => true,
            (Self::Drop(text), Ok(Answer::Verdict(Verdict::Drop(found))))
            | (Self::Rejected(text), Ok(Answer::Reception(Reception::Rejected(found)))) => {
                text == found
            }
            (Self::Replace(bytes), Ok(Answer::Verdict(Verdict::Replace(found)))) => bytes.is(found),
            (Self::Deliver(form, body), Ok(Answer::Verdict(Verdict::Deliver(found)))) => {
                form.is(body, found)
            }
            (Self::Accepts(expected), Ok(Answer::Accepts(found))) => expected == found,
            (Self::Folded(form, data), Ok(Answer::Folded(found))) => form.is(data, found),
            (Self::Accepted(forms), Ok(Answer::Reception(Reception::Accepted(found)))) => {
                forms.len() == found.len()
                    && forms
                        .iter()
                        .zip(found)
                        .map(|(form, draft)| form.is(draft))
                        .collect::<Result<Vec<_>, _>>()?
                        .into_iter()
                        .all(|is_it| is_it)
            }
            (Self::Challenge(form, body), Ok(Answer::Reception(Reception::Challenge(found)))) => {
                form.is(body, found)
            }
            (Self::Fails(failure), Err(found)) => failure == found,
            _ => false,
        };
        if is_it {
            return Ok(());
        }
        Err(format!("  expected {self:?}\n  it was   {}", shown(answer)))
    }
}

impl Form {
    /// Exactly one member is given.
    fn expect(self) -> Result<Expect, String> {
        let replace = Bytes::one_of(
            "replace",
            self.replace,
            self.replace_text,
            self.replace_base64,
        )?;
        let deliver = self.deliver.map(MessageForm::decoded).transpose()?;
        let folded = self.folded.map(DataForm::decoded).transpose()?;
        let challenge = self.challenge.map(ResponseForm::decoded).transpose()?;
        let mut given = [
            self.drop.map(Expect::Drop),
            replace.map(Expect::Replace),
            deliver,
            self.accepts.map(Expect::Accepts),
            folded,
            self.accepted.map(Expect::Accepted),
            challenge,
            self.rejected.map(Expect::Rejected),
            self.invalid_config
                .map(|text| Expect::Fails(Failure::InvalidConfig(text))),
            self.unusable_event
                .map(|text| Expect::Fails(Failure::UnusableEvent(text))),
            self.again_later
                .map(|text| Expect::Fails(Failure::AgainLater(text))),
        ]
        .into_iter()
        .flatten();
        match (given.next(), given.next()) {
            (Some(expect), None) => Ok(expect),
            (None, _) => Err("nothing is expected".into()),
            _ => Err("two things are expected at once".into()),
        }
    }
}

impl MessageForm {
    fn decoded(mut self) -> Result<Expect, String> {
        let (text, base64) = (self.body_text.take(), self.body_base64.take());
        let body = Bytes::given("body", self.body.take(), text, base64)?;
        Ok(Expect::Deliver(self, body))
    }

    fn is(&self, body: &Bytes, found: &Message) -> bool {
        let headers = found.headers.iter();
        let headers = Pairs(
            headers
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
        );
        let expected = self.headers.as_ref().map(Pairs::as_headers);
        headers.as_headers() == expected.unwrap_or_default()
            && is_type(self.content_type.as_deref(), &found.content_type)
            && body.is(&found.body)
    }
}

impl DataForm {
    fn decoded(mut self) -> Result<Expect, String> {
        let (text, base64) = (self.data_text.take(), self.data_base64.take());
        let data = Bytes::given("data", self.data.take(), text, base64)?;
        Ok(Expect::Folded(self, data))
    }

    fn is(&self, data: &Bytes, found: &Event) -> bool {
        is_type(self.content_type.as_deref(), &found.content_type) && data.is(&found.data)
    }
}

impl DraftForm {
    fn is(&self, found: &Draft) -> Result<bool, String> {
        let (json, text, base64) = (
            self.data.clone(),
            self.data_text.clone(),
            self.data_base64.clone(),
        );
        let data = Bytes::given("data", json, text, base64)?;
        let time = self.time.as_deref();
        let time_ms = time.map(|time| instant("time", time)).transpose()?;
        Ok(self.r#type == found.event_type
            && self.id == found.id
            && self.subject == found.subject
            && self.key == found.key
            && time_ms == found.time_ms
            && is_type(self.content_type.as_deref(), &found.content_type)
            && data.is(&found.data))
    }
}

impl ResponseForm {
    fn decoded(mut self) -> Result<Expect, String> {
        let (text, base64) = (self.body_text.take(), self.body_base64.take());
        let body = Bytes::given("body", self.body.take(), text, base64)?;
        Ok(Expect::Challenge(self, body))
    }

    fn is(&self, body: &Bytes, found: &Response) -> bool {
        self.status == found.status
            && is_type(self.content_type.as_deref(), &found.content_type)
            && body.is(&found.body)
    }
}

/// Where nothing is said, it is JSON.
fn is_type(expected: Option<&str>, found: &str) -> bool {
    expected.unwrap_or("application/json") == found
}

/// Bytes as text where they are, since lists of numbers tell nobody anything.
fn shown(answer: &Result<Answer, Failure>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match answer {
        Ok(Answer::Verdict(Verdict::Replace(data))) => format!("Replace {}", text(data)),
        Ok(Answer::Verdict(Verdict::Deliver(message))) => format!(
            "Deliver {} {:?} {}",
            message.content_type,
            message.headers,
            text(&message.body)
        ),
        Ok(Answer::Folded(event)) => format!("Folded {} {}", event.content_type, text(&event.data)),
        Ok(Answer::Reception(Reception::Accepted(drafts))) => {
            let drafts = drafts.iter().map(|draft| {
                format!(
                    "{} id {:?} subject {:?} key {:?} time {:?} {} {}",
                    draft.event_type,
                    draft.id,
                    draft.subject,
                    draft.key,
                    draft.time_ms,
                    draft.content_type,
                    text(&draft.data)
                )
            });
            format!("Accepted [{}]", drafts.collect::<Vec<_>>().join("; "))
        }
        Ok(answer) => format!("{answer:?}"),
        Err(failure) => format!("{failure:?}"),
    }
}
