//! What the gateway says about itself: logs and metrics. Decides nothing.

pub mod logging;
pub mod metrics;
pub mod plugins;
pub mod pulse;
