//! Behaviour tests.
mod embedded;
