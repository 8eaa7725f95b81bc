//! The typed calls of the contract: one for each function that a plugin may export.
//!
//! Whatever comes back is held to the limits here, before anybody else sees it. A
//! plugin can't change who an event is: a fold's result carries the identity of the
//! later event, whatever was returned.

use crate::bindings::{
    EventRef, Function, RawDraft, RawEvent, RawFailure, RawMessage, RawReception, RawResponse,
    RawVerdict, RequestRef,
};
use crate::contract::Export;
use crate::event::{GuestEvent, GuestRequest};
use crate::failure::failure_of;
use crate::instance::LiveInstance;
use crate::limits::Limits;
use crate::report::{CallFailure, Draft, Message, Reception, Response, Verdict};
use crate::text::printable;
use std::ops::RangeInclusive;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

/// What a provider may be answered with: nothing provisional, nothing made up.
const STATUSES: RangeInclusive<u16> = 200..=599;

impl LiveInstance {
    /// Asks as a delivery does: the filter first, where there is one, then the
    /// transform, both within one deadline.
    pub(crate) fn verdict(&mut self, event: &GuestEvent) -> Result<Verdict, CallFailure> {
        let (filters, transforms) = (
            self.exports(Export::Filter),
            self.exports(Export::Transform),
        );
        if !filters && !transforms {
            let wanted = "`transform` or `filter`";
            return Err(CallFailure::NotExported { wanted });
        }
        if filters && !self.accepts(event)? {
            let reason = "the filter did not accept the event".to_owned();
            return Ok(Verdict::Drop(reason));
        }
        if transforms {
            self.transform(event)
        } else {
            Ok(Verdict::Pass)
        }
    }

    pub(crate) fn accepts(&mut self, event: &GuestEvent) -> Result<bool, CallFailure> {
        let function = match self.filter {
            Some(function) => function,
            None => self.function(Export::Filter)?,
        };
        self.filter = Some(function);
        self.call(function, (EventRef::from(event),))
    }

    pub(crate) fn transform(&mut self, event: &GuestEvent) -> Result<Verdict, CallFailure> {
        let function = match self.transform {
            Some(function) => function,
            None => self.function(Export::Transform)?,
        };
        self.transform = Some(function);
        let verdict = self.call(function, (EventRef::from(event),))?;
        verdict_within(verdict, self.limits())
    }

    pub(crate) fn fold(
        &mut self,
        earlier: &GuestEvent,
        later: &GuestEvent,
    ) -> Result<GuestEvent, CallFailure> {
        let pair = (EventRef::from(earlier), EventRef::from(later));
        let function = self.function(Export::Fold)?;
        let folded = self.call(function, pair)?;
        folded_within(folded, later, self.limits())
    }

    pub(crate) fn receive(&mut self, request: &GuestRequest) -> Result<Reception, CallFailure> {
        let function = self.function(Export::Receiver)?;
        let reception = self.call(function, (RequestRef::from(request),))?;
        reception_within(reception, self.limits())
    }

    /// Finds an export and compares its type with the contract's: a microsecond, so what is called
    /// for each event is asked for once.
    fn function<P, R>(&mut self, export: Export) -> Result<Function<P, R>, CallFailure>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let (store, instance, plugin) = self.parts();
        let Some(index) = plugin.function(export) else {
            let wanted = export.quoted();
            return Err(CallFailure::NotExported { wanted });
        };
        instance
            .get_typed_func(store, index)
            .map_err(|error| CallFailure::Trap(format!("{error:#}")))
    }

    fn call<P, R>(&mut self, function: Function<P, R>, parameters: P) -> Result<R, CallFailure>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let (store, ..) = self.parts();
        match function.call(&mut *store, parameters) {
            Ok((Ok(answer),)) => Ok(answer),
            Ok((Err(failure),)) => Err(own_failure(failure, self.limits())),
            Err(error) => Err(failure_of(&error, store.data_mut())),
        }
    }
}

fn own_failure(failure: RawFailure, limits: &Limits) -> CallFailure {
    let text = |raw: String| printable(&raw, limits.max_reason_bytes).0;
    match failure {
        RawFailure::InvalidConfig(raw) => CallFailure::InvalidConfig(text(raw)),
        RawFailure::UnusableEvent(raw) => CallFailure::UnusableEvent(text(raw)),
        RawFailure::AgainLater(raw) => CallFailure::AgainLater(text(raw)),
    }
}

fn within(bytes: usize, limits: &Limits) -> Result<(), CallFailure> {
    let max_bytes = limits.max_output_bytes;
    if bytes <= max_bytes {
        Ok(())
    } else {
        Err(CallFailure::OutputTooLarge { max_bytes })
    }
}

fn verdict_within(verdict: RawVerdict, limits: &Limits) -> Result<Verdict, CallFailure> {
    match verdict {
        RawVerdict::Pass => Ok(Verdict::Pass),
        RawVerdict::Drop(reason) => {
            Ok(Verdict::Drop(printable(&reason, limits.max_reason_bytes).0))
        }
        RawVerdict::Replace(data) => {
            within(data.len(), limits)?;
            Ok(Verdict::Replace(data.into()))
        }
        RawVerdict::Deliver(RawMessage {
            content_type,
            body,
            headers,
        }) => {
            let headers = pairs(headers);
            within(
                body.len() + content_type.len() + pair_bytes(&headers),
                limits,
            )?;
            if headers.len() > limits.max_headers {
                return Err(CallFailure::TooManyHeaders {
                    actual: headers.len(),
                    max: limits.max_headers,
                });
            }
            Ok(Verdict::Deliver(Message {
                content_type,
                body: body.into(),
                headers,
            }))
        }
    }
}

fn folded_within(
    folded: RawEvent,
    later: &GuestEvent,
    limits: &Limits,
) -> Result<GuestEvent, CallFailure> {
    let attributes = pairs(folded.attributes);
    let texts = folded.content_type.len() + folded.subject.as_ref().map_or(0, String::len);
    within(folded.data.len() + texts + pair_bytes(&attributes), limits)?;
    Ok(GuestEvent {
        subject: folded.subject.map(Into::into),
        time_ms: folded.time_ms,
        content_type: folded.content_type.into(),
        data: folded.data.into(),
        attributes: attributes.into(),
        ..later.clone()
    })
}

fn reception_within(reception: RawReception, limits: &Limits) -> Result<Reception, CallFailure> {
    match reception {
        RawReception::Accepted(drafts) => {
            let (actual, max) = (drafts.len(), limits.max_drafts);
            if actual > max {
                return Err(CallFailure::TooManyDrafts { actual, max });
            }
            within(drafts.iter().map(draft_bytes).sum(), limits)?;
            Ok(Reception::Accepted(drafts.into_iter().map(draft).collect()))
        }
        RawReception::Challenge(RawResponse {
            status,
            content_type,
            body,
        }) => {
            within(content_type.len() + body.len(), limits)?;
            if !STATUSES.contains(&status) {
                return Err(CallFailure::InvalidStatus { status });
            }
            Ok(Reception::Challenge(Response {
                status,
                content_type,
                body: body.into(),
            }))
        }
        RawReception::Rejected(reason) => {
            let reason = printable(&reason, limits.max_reason_bytes).0;
            Ok(Reception::Rejected(reason))
        }
    }
}

fn draft_bytes(draft: &RawDraft) -> usize {
    let optional = [&draft.id, &draft.subject, &draft.key];
    let texts = optional.into_iter().flatten().map(String::len);
    draft.event_type.len() + draft.content_type.len() + draft.data.len() + texts.sum::<usize>()
}

fn draft(raw: RawDraft) -> Draft {
    Draft {
        event_type: raw.event_type,
        id: raw.id,
        subject: raw.subject,
        key: raw.key,
        time_ms: raw.time_ms,
        content_type: raw.content_type,
        data: raw.data.into(),
    }
}

fn pairs(attributes: Vec<crate::bindings::Attribute>) -> Vec<(String, String)> {
    attributes
        .into_iter()
        .map(|attribute| (attribute.name, attribute.value))
        .collect()
}

fn pair_bytes(pairs: &[(String, String)]) -> usize {
    let lengths = pairs.iter().map(|(name, value)| name.len() + value.len());
    lengths.sum()
}
