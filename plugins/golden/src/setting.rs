//! Reads a file that holds one question: what `hookgate plugin run` is given.

use serde_json::value::RawValue;

use crate::case::Setting;
use crate::exact::Exact;
use crate::flaw::{Flaw, Source};
use crate::form::{CaseForm, EventForm, Input, RequestForm};

impl Setting {
    /// Reads an event as it is sent to `/v1/events`; or a request as it comes to a source; or
    /// a case of a golden file, whose expectation is left aside.
    ///
    /// # Errors
    /// Says what is wrong, and in which line.
    pub fn read(text: &str) -> Result<Self, Flaw> {
        let source = Source::new(text);
        let raw: &RawValue = source.read(text, "")?;
        let flaw = |reason: String| source.flaw(raw.get(), "", reason);
        let exact = Exact::of_raw(raw).map_err(|error| flaw(error.to_string()))?;
        let has = |name: &str| exact.get(name).is_some();
        if has("event") || has("earlier") || has("later") || has("request") {
            let form: CaseForm<'_> = source.read(raw.get(), "")?;
            return Self::of(&form).map_err(flaw);
        }
        let input = if has("type") {
            let form: EventForm<'_> = source.read(raw.get(), "")?;
            form.guest("the event").map(Input::Event)
        } else if has("method") || has("headers") || has("secret") {
            let form: RequestForm<'_> = source.read(raw.get(), "")?;
            form.guest().map(Input::Request)
        } else {
            Err(
                "an event has a \"type\", a request a \"method\"; two events to fold are \
                 \"earlier\" and \"later\""
                    .to_owned(),
            )
        };
        Ok(Self {
            export: None,
            config: "{}".into(),
            data_url: "".into(),
            input: input.map_err(flaw)?,
        })
    }
}
