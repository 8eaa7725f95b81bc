//! The config: how far signing and arrival may lie apart.

use serde::Deserialize;

/// What a source asks of `stripe`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) tolerance_s: u64,
}

/// As it stands in a source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "five_minutes")]
    tolerance_s: u64,
}

fn five_minutes() -> u64 {
    300
}

impl TryFrom<Written> for Config {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written.tolerance_s {
            tolerance_s @ 1..=86_400 => Ok(Self { tolerance_s }),
            _ => Err("tolerance_s lies from 1 to 86400"),
        }
    }
}
