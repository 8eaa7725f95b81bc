//! The lane log: where an event becomes durable, and from where nothing is lost.

pub mod work;
