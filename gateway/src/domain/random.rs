//! Randomness as a value: the source is handed in, so that a test can repeat a strange night.
//!
//! Good enough for jitter and for ids that only need to differ; keys and secrets are made from it
//! too, so `app` hands in the operating system's source and nothing weaker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::retry::Jitter;

/// Fills bytes. Cheap to clone.
#[derive(Clone)]
pub struct Random(Arc<dyn Fn(&mut [u8]) + Send + Sync>);

impl Random {
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        (self.0)(bytes);
    }

    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    #[must_use]
    pub fn jitter(&self) -> Jitter {
        Jitter::new(self.fraction())
    }

    /// Any span between none and `limit`.
    #[must_use]
    pub fn up_to(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.fraction())
    }

    /// From 0 to 1, evenly spread.
    fn fraction(&self) -> f64 {
        f64::from(u32::from_be_bytes(self.bytes())) / f64::from(u32::MAX)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(…)")
    }
}
