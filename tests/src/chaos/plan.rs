//! What goes wrong and when: made from a seed, so that a strange night can be had again.
//!
//! One trouble after the other, each of them healed before the next: what is tested is whether the
//! gateway heals, and not whether it runs without a database.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Peers end the sessions of a node that is silent for longer than this.
const SILENCE: Duration = Duration::from_secs(10);

/// One trouble. Gateways are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// SIGKILL, then a new process.
    KillGateway { gateway: usize },
    /// SIGTERM, then a new process: nothing may be repeated for this.
    StopGateway { gateway: usize },
    /// SIGSTOP for a while; long enough, its peers take over.
    FreezeGateway { gateway: usize, ms: u64 },
    /// SIGKILL of Postgres as a whole, then a start that recovers.
    KillPostgres,
    /// Both at once.
    KillPostgresAndGateway { gateway: usize },
    /// All receivers answer 500 for a while.
    ReceiversFail { ms: u64 },
    /// No receiver answers for a while.
    ReceiversHang { ms: u64 },
}

impl Trouble {
    /// Whether work that was under way may have to be done again.
    #[must_use]
    pub fn may_repeat(self) -> bool {
        !matches!(
            self,
            Self::StopGateway { .. } | Self::ReceiversFail { .. } | Self::ReceiversHang { .. }
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillGateway { gateway } => write!(f, "gateway {gateway} is killed"),
            Self::StopGateway { gateway } => write!(f, "gateway {gateway} is stopped"),
            Self::FreezeGateway { gateway, ms } => {
                write!(f, "gateway {gateway} is frozen for {ms} ms")
            }
            Self::KillPostgres => write!(f, "Postgres is killed"),
            Self::KillPostgresAndGateway { gateway } => {
                write!(f, "Postgres and gateway {gateway} are killed")
            }
            Self::ReceiversFail { ms } => write!(f, "receivers answer 500 for {ms} ms"),
            Self::ReceiversHang { ms } => write!(f, "receivers do not answer for {ms} ms"),
        }
    }
}

/// A run's troubles, in their order, each with the calm before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub seed: u64,
    pub steps: Vec<(Duration, Trouble)>,
}

impl Plan {
    /// As many troubles as fit into `span`, of which the first two are a killed gateway and a
    /// killed Postgres, so that no run is a calm one.
    #[must_use]
    pub fn of(seed: u64, span: Duration, gateways: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut steps, mut used) = (Vec::new(), Duration::ZERO);
        while used < span {
            let calm = Duration::from_millis(random.u64(300..2500));
            let gateway = random.usize(0..gateways);
            let kind = match steps.len() {
                0 => 0,
                1 => 3,
                _ => random.u8(0..8),
            };
            let trouble = match kind {
                0 | 7 => Trouble::KillGateway { gateway },
                1 => Trouble::StopGateway { gateway },
                2 => Trouble::FreezeGateway {
                    gateway,
                    ms: freeze_ms(&mut random, gateways > 1),
                },
                3 => Trouble::KillPostgres,
                4 => Trouble::KillPostgresAndGateway { gateway },
                5 => Trouble::ReceiversFail {
                    ms: random.u64(200..2000),
                },
                _ => Trouble::ReceiversHang {
                    ms: random.u64(200..2000),
                },
            };
            used += calm + costs(trouble);
            steps.push((calm, trouble));
        }
        Self { seed, steps }
    }
}

/// Half of the freezes are short: nobody may take over because of them.
fn freeze_ms(random: &mut fastrand::Rng, has_peers: bool) -> u64 {
    if has_peers && random.bool() {
        let silence = u64::try_from(SILENCE.as_millis()).expect("it is short");
        random.u64(silence + 3000..silence + 6000)
    } else {
        random.u64(200..4000)
    }
}

/// Roughly how long it takes until all is well again.
fn costs(trouble: Trouble) -> Duration {
    match trouble {
        Trouble::FreezeGateway { ms, .. }
        | Trouble::ReceiversFail { ms }
        | Trouble::ReceiversHang { ms } => Duration::from_millis(ms),
        _ => Duration::from_secs(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_plan_and_none_is_calm() {
        let span = Duration::from_secs(60);
        for seed in 0..200 {
            let plan = Plan::of(seed, span, 3);
            assert_eq!(plan, Plan::of(seed, span, 3));
            assert!(matches!(plan.steps[0].1, Trouble::KillGateway { .. }));
            assert_eq!(plan.steps[1].1, Trouble::KillPostgres);
        }
        assert_ne!(Plan::of(1, span, 3).steps, Plan::of(2, span, 3).steps);
    }
}
