//! How a subscription's delivery policy is kept: JSON with units in its names, apart from the
//! API's spelling, so that either can change without the other.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(Box<str>, Box<str>)>,
}

pub(super) fn to_stored(policy: &DeliveryPolicy) -> String {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
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
        }),
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
            }),
            headers: vec![("x-team".into(), "ops".into())],
        };
        assert_eq!(from_stored(&to_stored(&policy)), Ok(policy));
        assert_eq!(from_stored("{}"), Ok(DeliveryPolicy::default()));
    }
}
