//! What an author implements, and how it becomes a component's export.
//!
//! Functions without `self` on purpose: an instance serves one batch of one
//! subscription and is thrown away, so there is nowhere to keep state between events.

use std::sync::Once;

use serde::de::DeserializeOwned;

use crate::{Event, Failure, Verdict, bindings::host::hookgate::plugin::types::Level, host};

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

/// Exports a type as the component's `transform` or `filter`.
///
/// Both may be exported, each by its own call, and the filter is then asked first.
#[macro_export]
macro_rules! export {
    ($plugin:ty as transform) => {
        const _: () = {
            ::std::thread_local! {
                static CONFIG: $crate::__export::ConfigCell<<$plugin as $crate::Transform>::Config> =
                    const { $crate::__export::ConfigCell::new() };
            }
            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            struct Exported;
            impl $crate::__export::TransformGuest for Exported {
                fn handle(event: $crate::Event) -> Result<$crate::Verdict, $crate::Failure> {
                    $crate::__export::prepare();
                    CONFIG.with(|cell| <$plugin as $crate::Transform>::handle(event, cell.get()?))
                }
            }
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::transform::__export_transform!(Exported);
        };
    };
    ($plugin:ty as filter) => {
        const _: () = {
            ::std::thread_local! {
                static CONFIG: $crate::__export::ConfigCell<<$plugin as $crate::Filter>::Config> =
                    const { $crate::__export::ConfigCell::new() };
            }
            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            struct Exported;
            impl $crate::__export::FilterGuest for Exported {
                fn accepts(event: $crate::Event) -> Result<bool, $crate::Failure> {
                    $crate::__export::prepare();
                    CONFIG.with(|cell| <$plugin as $crate::Filter>::accepts(event, cell.get()?))
                }
            }
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::filter::__export_filter!(Exported);
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
