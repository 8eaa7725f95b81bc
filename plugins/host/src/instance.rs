//! One instance of a plugin: made fresh, asked about events, and thrown away.
//!
//! All that a guest can touch is [`Guest`]. It is never handed from one
//! subscription to another, and a call that failed by force is its last.

use crate::bindings::{Filter, RawLevel, Transform};
use crate::contract::Export;
use crate::deadline::{Deadline, OutOfTime};
use crate::event::{DataUrls, no_data_urls};
use crate::failure::failure_of;
use crate::limits::Limits;
use crate::load::LoadedPlugin;
use crate::log_book::LogBook;
use crate::mark::Mark;
use crate::meter::Meter;
use crate::report::{CallFailure, LogLevel};
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

impl Surroundings {
    /// Where there is no delivery to link to.
    pub(crate) fn without_urls(config: &Arc<str>, limits: &Arc<Limits>) -> Self {
        Self {
            config: Arc::clone(config),
            data_urls: no_data_urls(),
            limits: Arc::clone(limits),
        }
    }
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
    /// None until first asked for.
    pub(crate) filter: Option<Filter>,
    pub(crate) transform: Option<Transform>,
}

impl LiveInstance {
    /// # Errors
    /// What stopped the component's own start, or that there was no room for it.
    pub(crate) fn start(
        plugin: &Arc<LoadedPlugin>,
        surroundings: &Surroundings,
        now: Mark,
    ) -> Result<Self, CallFailure> {
        let limits = Arc::clone(&surroundings.limits);
        let guest = Guest {
            surroundings: surroundings.clone(),
            meter: Meter::new(&limits),
            logs: LogBook::default(),
            deadline: Deadline::from(now, limits.time_to_instantiate),
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
                filter: None,
                transform: None,
            }),
            Err(error) => Err(failure_of(&error, store.data_mut())),
        }
    }

    /// Begins a call: about the event at `index`, within a deadline of its own.
    pub(crate) fn begin(&mut self, index: usize, now: Mark) {
        let guest = self.store.data_mut();
        guest.index = index;
        guest.deadline = Deadline::from(now, guest.surroundings.limits.time_per_event);
        guest.meter.take_was_denied();
        self.store.set_epoch_deadline(1);
    }

    pub(crate) fn exports(&self, export: Export) -> bool {
        self.plugin.function(export).is_some()
    }

    /// What a call is made of.
    pub(crate) fn parts(&mut self) -> (&mut Store<Guest>, &Instance, &LoadedPlugin) {
        (&mut self.store, &self.instance, &self.plugin)
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

    /// Instructions so far, where the engine counts them; else zero.
    pub(crate) fn fuel_used(&self) -> u64 {
        if !self.plugin.counts_fuel() {
            return 0;
        }
        let left = self.store.get_fuel();
        left.map_or(0, |left| PLENTY_OF_FUEL - left)
    }
}
