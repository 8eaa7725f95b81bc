//! The host from outside, with plugins that behave and plugins that do not.

mod cache;
mod calls;
mod compiling;
mod fairness;
mod hostile;
mod refusals;
mod support;
