//! How a delivery goes out: fairly, signed, to an address that was vetted.

pub mod answer;
pub mod body;
pub mod guard;
mod kept;
pub mod request;
pub mod resolver;
pub mod sender;
pub mod signature;
#[cfg(test)]
mod testing;
pub mod transform;
