//! What the gateway says about itself: logs and metrics. Decides nothing.

mod exposition;
pub mod flow;
pub mod logging;
pub mod metrics;
pub mod plugins;
mod process;
pub mod pulse;
