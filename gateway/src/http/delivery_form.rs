//! How deliveries are to be made, as subscribers write it, and the rules that it obeys.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::access_form::AuthForm;
use super::check::Check;
use super::queueing_form::{BatchForm, BlockedForm, DebounceForm, OrderingForm, QueueingForm};
use crate::domain::duration::parse_duration;
use crate::domain::headers;
use crate::domain::retry::RetrySchedule;
use crate::domain::secret::Scheme;
use crate::domain::subscription::{DeliveryPolicy, Format, RateLimit};

const MIN_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// How deliveries are made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct DeliveryForm {
    /// `event`, `raw`, `cloudevents-structured` or `cloudevents-binary`.
    #[schema(value_type = Option<Format>)]
    format: Option<Value>,
    /// `v1` (HMAC with a shared secret) or `v1a` (ed25519; receivers need the public key alone).
    #[schema(value_type = Option<Scheme>)]
    signature: Option<Value>,
    /// Adds `X-Hook-Signature`: the HMAC-SHA256 of the body in hex, keyed with the secret's text.
    #[schema(value_type = Option<bool>)]
    hook_signature: Option<Value>,
    /// Waits between attempts; the deployment's default where it is left out.
    #[schema(value_type = Option<Vec<String>>, example = json!(["5s", "5m"]))]
    retry_schedule: Option<Value>,
    /// The whole attempt: 1s to 30s, or less where the deployment allows less.
    #[schema(value_type = Option<String>, example = "20s")]
    timeout: Option<Value>,
    /// Requests under way at once from one node: 1 to 256; the deployment's default where it is
    /// left out.
    #[schema(value_type = Option<u16>)]
    max_in_flight: Option<Value>,
    /// At most so many in so long, over all nodes together.
    #[schema(value_type = Option<RateLimitForm>)]
    rate_limit: Option<Value>,
    /// `none`, `key` (one after the other of each key) or `strict` (one after the other of all).
    #[schema(value_type = Option<OrderingForm>)]
    ordering: Option<Value>,
    /// How long a delivery that fails holds up those behind it in its order.
    #[schema(value_type = Option<BlockedForm>)]
    on_blocked: Option<Value>,
    /// Of many events with one key in a short time one is delivered; contradicts `ordering` and `batch`.
    #[schema(value_type = Option<DebounceForm>)]
    debounce: Option<Value>,
    /// Many events in one request; contradicts `ordering` and `debounce`.
    #[schema(value_type = Option<BatchForm>)]
    batch: Option<Value>,
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    headers: Option<Value>,
    /// How the gateway shows who it is; null: by its signature alone.
    #[schema(value_type = Option<AuthForm>)]
    pub(super) auth: Option<Value>,
    /// The certificates that the receiver's has to go back to, in PEM, instead of those that the
    /// gateway's system trusts.
    #[schema(value_type = Option<String>)]
    pub(super) ca_pem: Option<Value>,
    /// What later versions have; here only the defaults.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    later: BTreeMap<String, Value>,
}

/// Most deliveries in a span of time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitForm {
    /// 1s to 1h.
    #[schema(example = "1s")]
    per: String,
    /// 1 to 100,000.
    max: u32,
    /// False: each of N nodes sends at most an Nth. True: one node sends everything, so that the
    /// limit holds exactly; each delivery waits in a row of its own until that node comes to it.
    #[serde(default)]
    exact: bool,
}

/// The member of a later version; null says "without".
const OF_LATER: &str = "mtls";

impl DeliveryForm {
    /// `max_timeout` is the deployment's longest attempt.
    pub(super) fn valid(self, check: &mut Check, max_timeout: Duration) -> DeliveryPolicy {
        for (name, value) in self.later {
            let pointer = format!("/delivery/{name}");
            if name == OF_LATER {
                check.only(&pointer, Some(value), &Value::Null);
            } else {
                check.error(&pointer, "is not known; see /openapi.json for what is");
            }
        }
        let timeout = check.timeout(self.timeout, max_timeout);
        let max_in_flight: Option<u16> = check.value("/delivery/max_in_flight", self.max_in_flight);
        if max_in_flight.is_some_and(|max| !(1..=256).contains(&max)) {
            check.error("/delivery/max_in_flight", "must be from 1 to 256");
        }
        let signature: Scheme = check.value("/delivery/signature", self.signature);
        let hook_signature: bool = check.value("/delivery/hook_signature", self.hook_signature);
        if hook_signature && signature == Scheme::V1a {
            let detail = "needs the shared secret of signature v1; v1a has none";
            check.error("/delivery/hook_signature", detail);
        }
        let format = check.value("/delivery/format", self.format);
        let queueing = QueueingForm {
            ordering: self.ordering,
            on_blocked: self.on_blocked,
            debounce: self.debounce,
            batch: self.batch,
        };
        DeliveryPolicy {
            format,
            queueing: queueing.valid(check, format),
            signature,
            hook_signature,
            retry_schedule: check.retry_schedule(self.retry_schedule),
            timeout,
            max_in_flight,
            rate_limit: check.rate_limit(self.rate_limit),
            headers: check.headers(self.headers),
        }
    }
}

impl Check {
    fn timeout(&mut self, value: Option<Value>, max: Duration) -> Duration {
        let pointer = "/delivery/timeout";
        let text: Option<String> = self.value(pointer, value);
        let timeout = text.and_then(|text| self.parsed(pointer, parse_duration(&text)));
        let max = max.min(MAX_TIMEOUT);
        let Some(timeout) = timeout else {
            return DeliveryPolicy::DEFAULT_TIMEOUT.min(max);
        };
        // A deployment may allow less than the shortest wish: then that is what there is.
        let min = MIN_TIMEOUT.min(max);
        self.within(pointer, timeout, (min, max));
        timeout
    }

    fn retry_schedule(&mut self, value: Option<Value>) -> Option<RetrySchedule> {
        let pointer = "/delivery/retry_schedule";
        let texts: Option<Vec<String>> = self.value(pointer, value);
        let waits = texts?.iter().map(|text| parse_duration(text)).collect();
        let waits: Vec<Duration> = self.parsed(pointer, waits)?;
        self.parsed(pointer, RetrySchedule::new(waits))
    }

    fn rate_limit(&mut self, value: Option<Value>) -> Option<RateLimit> {
        const MAX: u32 = 100_000;
        let pointer = "/delivery/rate_limit";
        let form: Option<RateLimitForm> = self.value(pointer, value);
        let form = form?;
        let at_per = format!("{pointer}/per");
        let per = self.parsed(&at_per, parse_duration(&form.per))?;
        let bounds = (Duration::from_secs(1), Duration::from_secs(3600));
        self.within(&at_per, per, bounds);
        let max = NonZeroU32::new(form.max).filter(|max| max.get() <= MAX);
        if max.is_none() {
            self.error(
                &format!("{pointer}/max"),
                format!("must be from 1 to {MAX}"),
            );
        }
        let exact = form.exact;
        max.map(|max| RateLimit { per, max, exact })
    }

    fn headers(&mut self, value: Option<Value>) -> Vec<(Box<str>, Box<str>)> {
        let pointer = "/delivery/headers";
        let pairs: BTreeMap<String, String> = self.value(pointer, value);
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        self.parsed(pointer, headers::checked(pairs))
            .unwrap_or_default()
    }
}
