//! How a receiver fares, as the node sees it that sends to it.
//!
//! Only what is out of the ordinary: a receiver that takes what it is sent has no health to speak
//! of.

use serde::Serialize;

use super::clock::Timestamp;

/// Whether requests go out at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Circuit {
    /// As many as may.
    #[default]
    Closed,
    /// None: nobody has answered for a while.
    Open,
    /// One at a time, to see whether somebody is there again.
    Probing,
}

/// What is out of the ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    pub circuit: Circuit,
    /// Since the last success.
    pub failures: u32,
    /// Nothing goes out before.
    pub held_back_until: Option<Timestamp>,
    /// Most deliveries a second now, on the way back from being down.
    pub max_per_second: Option<f64>,
}
