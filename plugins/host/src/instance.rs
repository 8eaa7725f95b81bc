//! One instance of a plugin: made fresh, asked about events, and thrown away.
//!
//! All that a guest can touch is [`Guest`]. It is never handed from one
//! subscription to another, and a call that failed by force is its last.

use crate::bindings::{
    EventRef, FilterResult, RawFailure, RawLevel, RawMessage, RawVerdict, TransformResult,
};
use crate::deadline::{Deadline, OutOfTime};
use crate::event::{DataUrls, GuestEvent};
use crate::failure::failure_of;
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::log_book::LogBook;
use crate::meter::Meter;
use crate::report::{CallFailure, LogLevel, Message, Verdict};
use crate::text::printable;
use std::sync::Arc;
use wasmtime::component::{Instance, Linker, WasmStr};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};

/// A store without fuel would trap at once on an engine that counts it.
const PLENTY_OF_FUEL: u64 = u64::MAX;

/// What an instance may know: its subscription's config and where the data is.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) config: Arc<str>,
    pub(crate) data_urls: DataUrls,
    pub(crate) limits: Arc<Limits>,
}

/// The host's side of an instance.
pub(crate) struct Guest {
    pub(crate) surroundings: Surroundings,
    pub(crate) meter: Meter,
    pub(crate) deadline: Deadline,
    logs: LogBook,
    /// Place of the current event in its batch.
    index: usize,
}

/// A linker that defines the contract's `host` and nothing else.
pub(crate) fn host_linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let mut host = linker.instance(crate::contract::HOST_INTERFACE)?;
    host.func_wrap(
        "log",
        |store: StoreContextMut<'_, Guest>, (level, text): (RawLevel, WasmStr)| {
            log(store, level, &text)
        },
    )?;
    host.func_wrap("config", |store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((Arc::clone(&store.data().surroundings.config),))
    })?;
    host.func_wrap("data-url", |store: StoreContextMut<'_, Guest>, (): ()| {
        let guest = store.data();
        Ok(((guest.surroundings.data_urls)(guest.index),))
    })?;
    Ok(linker)
}

fn log(
    mut store: StoreContextMut<'_, Guest>,
    level: RawLevel,
    text: &WasmStr,
) -> wasmtime::Result<()> {
    let guest = store.data();
    if !guest.logs.has_room(&guest.surroundings.limits) {
        store.data_mut().logs.skip();
        return Ok(());
    }
    let level = match level {
        RawLevel::Debug => LogLevel::Debug,
        RawLevel::Info => LogLevel::Info,
        RawLevel::Warn => LogLevel::Warn,
        RawLevel::Error => LogLevel::Error,
    };
    let text = text.to_str(&store)?.into_owned();
    let guest = store.data_mut();
    guest.logs.write(level, &text, &guest.surroundings.limits);
    Ok(())
}

/// A live instance. Dropping it returns its memory.
pub(crate) struct LiveInstance {
    store: Store<Guest>,
    instance: Instance,
    plugin: Arc<LoadedPlugin>,
}

impl LiveInstance {
    /// # Errors
    /// What stopped the component's own start, or that there was no room for it.
    pub(crate) fn start(
        plugin: &Arc<LoadedPlugin>,
        surroundings: &Surroundings,
    ) -> Result<Self, CallFailure> {
        let limits = Arc::clone(&surroundings.limits);
        let guest = Guest {
            surroundings: surroundings.clone(),
            meter: Meter::new(&limits),
            logs: LogBook::default(),
            deadline: Deadline::from_now(limits.time_to_instantiate),
            index: 0,
        };
        let mut store = Store::new(plugin.engine(), guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_hostcall_fuel(limits.max_hostcall_bytes);
        if plugin.counts_fuel() {
            store
                .set_fuel(PLENTY_OF_FUEL)
                .map_err(|error| CallFailure::Trap(error.to_string()))?;
        }
        store.epoch_deadline_callback(|store| {
            if store.data().deadline.is_over() {
                Err(OutOfTime.into())
            } else {
                Ok(UpdateDeadline::Continue(1))
            }
        });
        store.set_epoch_deadline(1);
        match plugin.pre().instantiate(&mut store) {
            Ok(instance) => Ok(Self {
                store,
                instance,
                plugin: Arc::clone(plugin),
            }),
            Err(error) => Err(failure_of(&error, store.data_mut())),
        }
    }

    /// Asks the plugin about one event: its filter first, where it has one, then its
    /// transform, both within one deadline.
    pub(crate) fn ask(&mut self, index: usize, event: &GuestEvent) -> Result<Verdict, CallFailure> {
        let guest = self.store.data_mut();
        guest.index = index;
        guest.deadline = Deadline::from_now(guest.surroundings.limits.time_per_event);
        guest.meter.take_was_denied();
        self.store.set_epoch_deadline(1);
        if self.plugin.filter().is_none() && self.plugin.transform().is_none() {
            return Err(CallFailure::NotExported);
        }
        if !self.accepts(event)? {
            return Ok(Verdict::Drop(
                "the filter did not accept the event".to_owned(),
            ));
        }
        self.transform(event)
    }

    /// Lines of the call that just ended.
    pub(crate) fn take_logs(&mut self) -> (Vec<crate::report::LogLine>, u32) {
        self.store.data_mut().logs.take()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.store.data().surroundings.limits
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().meter.memory_bytes()
    }

    /// Instructions so far, where the engine counts them.
    pub(crate) fn fuel_used(&self) -> u64 {
        self.store
            .get_fuel()
            .map_or(0, |left| PLENTY_OF_FUEL - left)
    }

    fn accepts(&mut self, event: &GuestEvent) -> Result<bool, CallFailure> {
        let Some(export) = self.plugin.filter() else {
            return Ok(true);
        };
        let function = self
            .instance
            .get_typed_func::<(EventRef<'_>,), FilterResult>(&mut self.store, export)
            .map_err(|error| CallFailure::Trap(format!("{error:#}")))?;
        match function.call(&mut self.store, (EventRef::from(event),)) {
            Ok((answer,)) => answer.map_err(|failure| self.own_failure(failure)),
            Err(error) => Err(failure_of(&error, self.store.data_mut())),
        }
    }

    fn transform(&mut self, event: &GuestEvent) -> Result<Verdict, CallFailure> {
        let Some(export) = self.plugin.transform() else {
            return Ok(Verdict::Pass);
        };
        let function = self
            .instance
            .get_typed_func::<(EventRef<'_>,), TransformResult>(&mut self.store, export)
            .map_err(|error| CallFailure::Trap(format!("{error:#}")))?;
        match function.call(&mut self.store, (EventRef::from(event),)) {
            Ok((Ok(verdict),)) => verdict_within(verdict, &self.store.data().surroundings.limits),
            Ok((Err(failure),)) => Err(self.own_failure(failure)),
            Err(error) => Err(failure_of(&error, self.store.data_mut())),
        }
    }

    fn own_failure(&self, failure: RawFailure) -> CallFailure {
        let max_bytes = self.store.data().surroundings.limits.max_reason_bytes;
        let text = |raw: String| printable(&raw, max_bytes).0;
        match failure {
            RawFailure::InvalidConfig(raw) => CallFailure::InvalidConfig(text(raw)),
            RawFailure::UnusableEvent(raw) => CallFailure::UnusableEvent(text(raw)),
            RawFailure::AgainLater(raw) => CallFailure::AgainLater(text(raw)),
        }
    }
}

fn verdict_within(verdict: RawVerdict, limits: &Limits) -> Result<Verdict, CallFailure> {
    let within = |bytes: usize| {
        let max_bytes = limits.max_output_bytes;
        if bytes <= max_bytes {
            Ok(())
        } else {
            Err(CallFailure::OutputTooLarge { max_bytes })
        }
    };
    match verdict {
        RawVerdict::Pass => Ok(Verdict::Pass),
        RawVerdict::Drop(reason) => {
            Ok(Verdict::Drop(printable(&reason, limits.max_reason_bytes).0))
        }
        RawVerdict::Replace(data) => {
            within(data.len())?;
            Ok(Verdict::Replace(data.into()))
        }
        RawVerdict::Deliver(RawMessage {
            content_type,
            body,
            headers,
        }) => {
            let header_bytes: usize = headers
                .iter()
                .map(|header| header.name.len() + header.value.len())
                .sum();
            within(body.len() + content_type.len() + header_bytes)?;
            if headers.len() > limits.max_headers {
                return Err(CallFailure::TooManyHeaders {
                    actual: headers.len(),
                    max: limits.max_headers,
                });
            }
            let headers = headers
                .into_iter()
                .map(|header| (header.name, header.value))
                .collect();
            Ok(Verdict::Deliver(Message {
                content_type,
                body: body.into(),
                headers,
            }))
        }
    }
}
