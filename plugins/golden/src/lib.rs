//! Golden tests of plugins: files that hold events and the answers that are expected.
//!
//! A plugin is a function of its event and its config, so a file can say all there is to say
//! about it. Each case is run in an instance of its own, and then again together with all
//! others of its config in one instance, as deliveries are: an answer that differs is state
//! that the plugin keeps, and a failure. Nothing here compiles source or talks to a gateway.

mod answer;
mod case;
mod diff;
mod exact;
mod expect;
mod files;
mod flaw;
mod form;
mod report;
mod run;
mod setting;
mod word;

pub use answer::observed;
pub use case::{Case, Setting};
pub use diff::{Difference, differences};
pub use exact::Exact;
pub use expect::Expected;
pub use files::{Flaws, GoldenFiles};
pub use flaw::Flaw;
pub use form::Input;
pub use report::{CaseReport, Cost, Fault};
pub use run::run;
