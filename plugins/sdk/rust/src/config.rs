//! Reads a subscription's config, once for each instance.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;

use crate::{Failure, host, json};

/// The parsed config of one instance, or why it can't be parsed.
#[derive(Debug, Default)]
pub struct ConfigCell<C>(OnceCell<Result<C, Failure>>);

impl<C: DeserializeOwned> ConfigCell<C> {
    /// A cell that asks the host on first use.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// # Errors
    /// `invalid-config` with the path to the mistake and what was expected there.
    pub fn get(&self) -> Result<&C, Failure> {
        let parsed = self.0.get_or_init(|| {
            json::from_str(&host::config())
                .map_err(|error| Failure::InvalidConfig(error.to_string()))
        });
        parsed.as_ref().map_err(Clone::clone)
    }
}
