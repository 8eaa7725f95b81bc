//! The commands, one file each. They read arguments and print; what they do lives below.

pub mod db;
pub mod doctor;
