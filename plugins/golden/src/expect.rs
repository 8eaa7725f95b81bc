//! What a case expects, brought into one form that answers can be compared with.
//!
//! An expectation and an answer are both written as JSON of the same shape: whatever a
//! difference shows can be pasted into the file, and `--update` does just that.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exact::Exact;
use crate::flaw::{Flaw, Source};
use crate::form::JSON;
use crate::word::{Base64, Moment, Pairs, base64, given, moment};

const FORMS: &str = "\"pass\", {\"drop\": \"reason\"}, {\"replace\": JSON}, {\"deliver\": {…}}, \
    true or false, {\"folded\": {…}}, {\"accepted\": […]}, {\"challenge\": {…}}, \
    {\"rejected\": \"reason\"}, {\"invalid_config\": \"text\"}, {\"unusable_event\": \"text\"}, \
    {\"again_later\": \"text\"} or {\"fails\": \"trap\"}";

/// An expectation in its one form: every default filled in, members that hold bytes in one
/// spelling, names of headers in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected(Exact);

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form<'a> {
    Pass,
    Drop(String),
    #[serde(borrow)]
    Replace(&'a RawValue),
    ReplaceText(String),
    ReplaceBase64(Base64),
    Deliver(DeliverForm<'a>),
    Accepts(bool),
    Folded(FoldedForm<'a>),
    Accepted(Vec<DraftForm<'a>>),
    Challenge(ChallengeForm<'a>),
    Rejected(String),
    InvalidConfig(String),
    UnusableEvent(String),
    AgainLater(String),
    Fails(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliverForm<'a> {
    content_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "given")]
    body: Option<&'a RawValue>,
    body_text: Option<String>,
    body_base64: Option<Base64>,
    headers: Option<Pairs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeForm<'a> {
    status: u16,
    content_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "given")]
    body: Option<&'a RawValue>,
    body_text: Option<String>,
    body_base64: Option<Base64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FoldedForm<'a> {
    content_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    data_text: Option<String>,
    data_base64: Option<Base64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftForm<'a> {
    #[serde(rename = "type")]
    event_type: String,
    id: Option<String>,
    subject: Option<String>,
    key: Option<String>,
    time: Option<Moment>,
    content_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    data_text: Option<String>,
    data_base64: Option<Base64>,
}

impl Expected {
    pub(crate) fn read<'a>(source: Source<'a>, raw: &'a RawValue) -> Result<Self, Flaw> {
        let text = raw.get();
        let flaw = |reason: String| source.flaw(text, "expect", reason);
        let exact = Exact::of_raw(raw).map_err(|error| flaw(error.to_string()))?;
        match &exact {
            Exact::Bool(value) => {
                return Ok(Self(Exact::object([("accepts", Exact::Bool(*value))])));
            }
            Exact::Text(word) if word == "pass" => return Ok(Self(exact)),
            Exact::Object(members) if members.len() == 1 => {}
            Exact::Object(members) if members.len() > 1 => {
                let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
                let reason = format!("holds {}: name one outcome", names.join(" and "));
                return Err(flaw(reason));
            }
            _ => return Err(flaw(format!("must be {FORMS}"))),
        }
        let form: Form<'a> = source.read(text, "expect")?;
        form.exact().map(Self).map_err(flaw)
    }

    /// The expectation as JSON.
    #[must_use]
    pub fn exact(&self) -> &Exact {
        &self.0
    }
}

impl Form<'_> {
    fn exact(self) -> Result<Exact, String> {
        let (name, value) = match self {
            Self::Pass => return Ok(Exact::from("pass")),
            Self::Drop(reason) => ("drop", Exact::Text(reason)),
            Self::Replace(json) => ("replace", json_of(json)?),
            Self::ReplaceText(text) => ("replace_text", Exact::Text(text)),
            Self::ReplaceBase64(Base64(bytes)) => ("replace_base64", Exact::Text(base64(&bytes))),
            Self::Deliver(form) => ("deliver", form.exact()?),
            Self::Accepts(accepts) => ("accepts", Exact::Bool(accepts)),
            Self::Folded(form) => ("folded", form.exact()?),
            Self::Accepted(drafts) => {
                let drafts = drafts.into_iter().map(DraftForm::exact);
                ("accepted", Exact::List(drafts.collect::<Result<_, _>>()?))
            }
            Self::Challenge(form) => ("challenge", form.exact()?),
            Self::Rejected(reason) => ("rejected", Exact::Text(reason)),
            Self::InvalidConfig(text) => ("invalid_config", Exact::Text(text)),
            Self::UnusableEvent(text) => ("unusable_event", Exact::Text(text)),
            Self::AgainLater(text) => ("again_later", Exact::Text(text)),
            Self::Fails(kind) => ("fails", Exact::Text(kind)),
        };
        Ok(Exact::object([(name, value)]))
    }
}

impl DeliverForm<'_> {
    fn exact(self) -> Result<Exact, String> {
        let body = content("body", self.body, self.body_text, self.body_base64)?;
        let headers = self.headers.map(|Pairs(pairs)| pairs).unwrap_or_default();
        Ok(Exact::Object(vec![
            content_type(self.content_type),
            body,
            ("headers".to_owned(), headers_of(&headers)),
        ]))
    }
}

impl ChallengeForm<'_> {
    fn exact(self) -> Result<Exact, String> {
        Ok(Exact::Object(vec![
            ("status".to_owned(), Exact::whole(self.status.into())),
            content_type(self.content_type),
            content("body", self.body, self.body_text, self.body_base64)?,
        ]))
    }
}

impl FoldedForm<'_> {
    fn exact(self) -> Result<Exact, String> {
        Ok(Exact::Object(vec![
            content_type(self.content_type),
            content("data", self.data, self.data_text, self.data_base64)?,
        ]))
    }
}

impl DraftForm<'_> {
    fn exact(self) -> Result<Exact, String> {
        let data = content("data", self.data, self.data_text, self.data_base64)?;
        let mut members = vec![("type".to_owned(), Exact::Text(self.event_type))];
        let time = self.time.map(|Moment(ms)| moment(ms));
        let optional = [
            ("id", self.id),
            ("subject", self.subject),
            ("key", self.key),
            ("time", time),
        ];
        members.extend(present(optional));
        members.extend([content_type(self.content_type), data]);
        Ok(Exact::Object(members))
    }
}

/// Those that are there, as members.
pub(crate) fn present<const N: usize>(
    members: [(&str, Option<String>); N],
) -> impl Iterator<Item = (String, Exact)> {
    members
        .map(|(name, text)| text.map(|text| (name.to_owned(), Exact::Text(text))))
        .into_iter()
        .flatten()
}

fn content_type(given: Option<String>) -> (String, Exact) {
    let text = given.unwrap_or_else(|| JSON.to_owned());
    ("content_type".to_owned(), Exact::Text(text))
}

/// The one member of three that holds bytes: JSON, a text, or base64.
fn content(
    name: &str,
    json: Option<&RawValue>,
    text: Option<String>,
    bytes: Option<Base64>,
) -> Result<(String, Exact), String> {
    match (json, text, bytes) {
        (Some(json), None, None) => Ok((name.to_owned(), json_of(json)?)),
        (None, Some(text), None) => Ok((format!("{name}_text"), Exact::Text(text))),
        (None, None, Some(Base64(bytes))) => {
            Ok((format!("{name}_base64"), Exact::Text(base64(&bytes))))
        }
        _ => Err(format!(
            "give one of {name:?}, \"{name}_text\" and \"{name}_base64\""
        )),
    }
}

fn json_of(raw: &RawValue) -> Result<Exact, String> {
    Exact::of_raw(raw).map_err(|error| error.to_string())
}

/// Names in lower case and in order: an object, or pairs where a name comes twice.
pub(crate) fn headers_of(pairs: &[(String, String)]) -> Exact {
    let mut pairs: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let has_twins = pairs.windows(2).any(|two| two[0].0 == two[1].0);
    if has_twins {
        let pair = |(name, value)| Exact::List(vec![Exact::Text(name), Exact::from(value)]);
        return Exact::List(pairs.into_iter().map(pair).collect());
    }
    let member = |(name, value)| (name, Exact::from(value));
    Exact::Object(pairs.into_iter().map(member).collect())
}
