//! What an author implements, and how it becomes a component's export.
//!
//! Functions without `self` on purpose: an instance serves one batch of one
//! subscription and is thrown away, so there is nowhere to keep state between events.

use std::sync::Once;

use serde::de::DeserializeOwned;

use crate::{
    Event, Failure, Reception, Request, Verdict, bindings::host::hookgate::plugin::types::Level,
    host,
};

/// Changes, replaces or drops events.
pub trait Transform {
    /// The subscription's config for this plugin. Use `#[serde(deny_unknown_fields)]`
    /// so that a misspelt key is refused, and [`json::NoConfig`](crate::json::NoConfig)
    /// where there is none.
    type Config: DeserializeOwned + 'static;

    /// Called once for each event that the subscription matches.
    ///
    /// # Errors
    /// `unusable-event` where this event can't be handled, `invalid-config` where the
    /// config turns out to be wrong, `again-later` to be called again.
    fn handle(event: Event, config: &Self::Config) -> Result<Verdict, Failure>;
}

/// Says whether a subscription wants an event.
pub trait Filter {
    /// As [`Transform::Config`].
    type Config: DeserializeOwned + 'static;

    /// True lets the event on, false drops the delivery.
    ///
    /// # Errors
    /// As [`Transform::handle`].
    fn accepts(event: Event, config: &Self::Config) -> Result<bool, Failure>;
}

/// Merges waiting events of one key into one.
pub trait Fold {
    /// As [`Transform::Config`].
    type Config: DeserializeOwned + 'static;

    /// The event to deliver instead of both; `earlier` is the result so far. Hookgate takes
    /// content type, data, subject, time and attributes from it; id, source, type, tenant and
    /// key stay those of `later`, so it is usually `later` with other data.
    ///
    /// # Errors
    /// As [`Transform::handle`].
    fn fold(earlier: Event, later: Event, config: &Self::Config) -> Result<Event, Failure>;
}

/// Takes the webhooks of a provider: verifies them and turns them into events.
pub trait Receiver {
    /// The source's config for this plugin; else as [`Transform::Config`].
    type Config: DeserializeOwned + 'static;

    /// Called once for each request, before it is answered. A request that is not genuine is
    /// no failure but [`Reception::Rejected`].
    ///
    /// # Errors
    /// `invalid-config` where the source is set up wrongly, for example without its secret;
    /// `again-later` to have the provider send it again.
    fn receive(request: Request, config: &Self::Config) -> Result<Reception, Failure>;
}

/// Exports a type as the component's `transform`, `filter`, `fold` or `receiver`.
///
/// Several may be exported, each by its own call; of a filter and a transform the filter is
/// asked first.
#[macro_export]
macro_rules! export {
    ($plugin:ty as transform) => {
        $crate::__export_as!($plugin, Transform, TransformGuest, transform, __export_transform,
            handle(event: $crate::Event) -> $crate::Verdict);
    };
    ($plugin:ty as filter) => {
        $crate::__export_as!($plugin, Filter, FilterGuest, filter, __export_filter,
            accepts(event: $crate::Event) -> bool);
    };
    ($plugin:ty as fold) => {
        $crate::__export_as!($plugin, Fold, FoldGuest, fold, __export_fold,
            fold(earlier: $crate::Event, later: $crate::Event) -> $crate::Event);
    };
    ($plugin:ty as receiver) => {
        $crate::__export_as!($plugin, Receiver, ReceiverGuest, receiver, __export_receiver,
            receive(request: $crate::Request) -> $crate::Reception);
    };
}

/// One export: a cell for the config beside it, and the trait's function behind the contract's.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_as {
    ($plugin:ty, $trait:ident, $guest:ident, $module:ident, $export:ident,
        $function:ident($($argument:ident: $type:ty),+) -> $answer:ty) => {
        const _: () = {
            ::std::thread_local! {
                static CONFIG: $crate::__export::ConfigCell<<$plugin as $crate::$trait>::Config> =
                    const { $crate::__export::ConfigCell::new() };
            }
            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            struct Exported;
            impl $crate::__export::$guest for Exported {
                fn $function($($argument: $type),+) -> Result<$answer, $crate::Failure> {
                    $crate::__export::prepare();
                    CONFIG.with(|cell| {
                        <$plugin as $crate::$trait>::$function($($argument),+, cell.get()?)
                    })
                }
            }
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::$module::$export!(Exported);
        };
    };
}

/// Makes a panic speak: without a standard error stream its message would be lost,
/// and the record would show only that the plugin trapped.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            host::log(Level::Error, &panic.to_string());
        }));
    });
}
