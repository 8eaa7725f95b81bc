//! What the behaviour tests and the rigs are written with: a throw-away Postgres, the real gateway
//! as a process of its own, receivers with scripted answers, and the account that must balance.
//!
//! Everything here sees Hookgate from outside. Nothing sleeps for a fixed time, asks for a fixed
//! port or needs the internet, and whatever is started ends with the process that started it.

pub mod account;
pub mod api;
pub mod bench;
pub mod browser;
pub mod chaos;
pub mod cli;
pub mod component;
pub mod dashboard;
pub mod event;
pub mod faults;
pub mod figures;
pub mod gateway;
pub mod load;
pub mod plugin_bench;
pub mod postgres;
pub mod promises;
pub mod receiver;
pub mod tail;
pub mod tool;
pub mod wait;

pub use account::Account;
pub use api::{Answer, Api};
pub use cli::{Cli, Ran};
pub use event::{NewEvent, event};
pub use gateway::{Gateway, GatewayOptions, Subscribed, error_lines};
pub use postgres::{Cluster, Database, Durability, fresh_database};
pub use receiver::{Receipt, Receiver, Reply};
