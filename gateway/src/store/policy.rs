//! How a subscription's delivery policy is kept: JSON with units in its names, apart from the
//! API's spelling, so that either can change without the other.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::plugin::PluginName;
use crate::domain::queueing::{Batch, Blocks, Debounce, Keep, Ordering, Queueing, Scope};
use crate::domain::retry::RetrySchedule;
use crate::domain::secret::Scheme;
use crate::domain::subscription::{DeliveryPolicy, Format, RateLimit};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredPolicy {
    format: Format,
    signature: Scheme,
    hook_signature: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_schedule_ms: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u16>,
    /// Milliseconds, and how many in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<(u64, NonZeroU32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queueing: Option<StoredQueueing>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rate_limit_exact: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(Box<str>, Box<str>)>,
}

/// How deliveries wait for each other; spans in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredQueueing {
    Ordered {
        is_strict: bool,
        blocks: StoredBlocks,
    },
    Debounced {
        quiet_ms: u64,
        max_wait_ms: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        fold: Option<PluginName>,
    },
    Batched {
        max_events: u32,
        max_wait_ms: u64,
        max_bytes: u32,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredBlocks {
    UntilSuccess,
    UntilDead,
    ForMs(u64),
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl StoredQueueing {
    fn of(queueing: &Queueing) -> Option<Self> {
        Some(match queueing {
            Queueing::Plain => return None,
            Queueing::Ordered(ordering) => Self::Ordered {
                is_strict: ordering.scope == Scope::Strict,
                blocks: match ordering.blocks {
                    Blocks::UntilSuccess => StoredBlocks::UntilSuccess,
                    Blocks::UntilDead => StoredBlocks::UntilDead,
                    Blocks::For(time) => StoredBlocks::ForMs(ms(time)),
                },
            },
            Queueing::Debounced(debounce) => Self::Debounced {
                quiet_ms: ms(debounce.quiet),
                max_wait_ms: ms(debounce.max_wait),
                fold: match &debounce.keep {
                    Keep::Latest => None,
                    Keep::Fold(plugin) => Some(plugin.clone()),
                },
            },
            Queueing::Batched(batch) => Self::Batched {
                max_events: batch.max_events,
                max_wait_ms: ms(batch.max_wait),
                max_bytes: batch.max_bytes,
            },
        })
    }

    fn read(self) -> Queueing {
        let span = Duration::from_millis;
        match self {
            Self::Ordered { is_strict, blocks } => Queueing::Ordered(Ordering {
                scope: if is_strict { Scope::Strict } else { Scope::Key },
                blocks: match blocks {
                    StoredBlocks::UntilSuccess => Blocks::UntilSuccess,
                    StoredBlocks::UntilDead => Blocks::UntilDead,
                    StoredBlocks::ForMs(time) => Blocks::For(span(time)),
                },
            }),
            Self::Debounced {
                quiet_ms,
                max_wait_ms,
                fold,
            } => Queueing::Debounced(Debounce {
                quiet: span(quiet_ms),
                max_wait: span(max_wait_ms),
                keep: fold.map_or(Keep::Latest, Keep::Fold),
            }),
            Self::Batched {
                max_events,
                max_wait_ms,
                max_bytes,
            } => Queueing::Batched(Batch {
                max_events,
                max_wait: span(max_wait_ms),
                max_bytes,
            }),
        }
    }
}

pub(super) fn to_stored(policy: &DeliveryPolicy) -> String {
    let stored = StoredPolicy {
        format: policy.format,
        signature: policy.signature,
        hook_signature: policy.hook_signature,
        retry_schedule_ms: policy
            .retry_schedule
            .as_ref()
            .map(|schedule| schedule.waits().iter().copied().map(ms).collect()),
        timeout_ms: Some(ms(policy.timeout)),
        max_in_flight: policy.max_in_flight,
        rate_limit: policy.rate_limit.map(|limit| (ms(limit.per), limit.max)),
        queueing: StoredQueueing::of(&policy.queueing),
        rate_limit_exact: policy.rate_limit.is_some_and(|limit| limit.exact),
        headers: policy.headers.clone(),
    };
    serde_json::to_string(&stored).expect("a policy is plain data")
}

pub(super) fn from_stored(text: &str) -> Result<DeliveryPolicy, String> {
    let stored: StoredPolicy = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let retry_schedule = stored
        .retry_schedule_ms
        .map(|waits| RetrySchedule::new(waits.into_iter().map(Duration::from_millis).collect()))
        .transpose()
        .map_err(|error| error.to_string())?;
    let defaults = DeliveryPolicy::default();
    Ok(DeliveryPolicy {
        format: stored.format,
        signature: stored.signature,
        hook_signature: stored.hook_signature,
        retry_schedule,
        timeout: stored
            .timeout_ms
            .map_or(defaults.timeout, Duration::from_millis),
        max_in_flight: stored.max_in_flight,
        rate_limit: stored.rate_limit.map(|(per_ms, max)| RateLimit {
            per: Duration::from_millis(per_ms),
            max,
            exact: stored.rate_limit_exact,
        }),
        queueing: stored
            .queueing
            .map(StoredQueueing::read)
            .unwrap_or_default(),
        headers: stored.headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_being_stored() {
        let policy = DeliveryPolicy {
            format: Format::CloudEventsBinary,
            signature: Scheme::V1a,
            hook_signature: true,
            retry_schedule: Some(RetrySchedule::new(vec![Duration::from_secs(5)]).unwrap()),
            timeout: Duration::from_secs(3),
            max_in_flight: Some(4),
            rate_limit: Some(RateLimit {
                per: Duration::from_secs(2),
                max: NonZeroU32::new(7).unwrap(),
                exact: true,
            }),
            queueing: Queueing::Plain,
            headers: vec![("x-team".into(), "ops".into())],
        };
        let span = Duration::from_millis;
        let ordered = |scope, blocks| Queueing::Ordered(Ordering { scope, blocks });
        let debounced = |keep| {
            Queueing::Debounced(Debounce {
                quiet: span(150),
                max_wait: span(9_000),
                keep,
            })
        };
        for queueing in [
            Queueing::Plain,
            ordered(Scope::Key, Blocks::UntilSuccess),
            ordered(Scope::Strict, Blocks::UntilDead),
            ordered(Scope::Strict, Blocks::For(span(7_000))),
            debounced(Keep::Latest),
            debounced(Keep::Fold("merge-patch".parse().unwrap())),
            Queueing::Batched(Batch {
                max_events: 5,
                max_wait: span(1_000),
                max_bytes: 2_048,
            }),
        ] {
            let policy = DeliveryPolicy {
                queueing,
                ..policy.clone()
            };
            assert_eq!(from_stored(&to_stored(&policy)), Ok(policy));
        }
        assert_eq!(from_stored("{}"), Ok(DeliveryPolicy::default()));
    }
}
