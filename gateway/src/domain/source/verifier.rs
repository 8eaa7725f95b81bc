//! How a source tells a provider's requests from everybody else's.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::place::{Place, TypeFrom, TypeOrigin};
use crate::domain::duration::{format_duration, parse_duration};
use crate::domain::plugin::PluginUse;

/// Furthest that a signed time may lie from the database's, where a source does not say.
const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);
const MAX_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// The scheme of a provider, with what there is to choose about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Verifier {
    /// `webhook-signature` over id, time and body. The secret is `whsec_…`, or `whpk_…` for ed25519.
    StandardWebhooks(Timed),
    /// `X-Hub-Signature-256` over the body.
    Github(Untimed),
    /// `Stripe-Signature` over time and body.
    Stripe(Timed),
    /// `X-Slack-Signature` over time and body; answers `url_verification`.
    Slack(Timed),
    /// `X-Shopify-Hmac-Sha256` over the body.
    Shopify(Untimed),
    /// Any HMAC in a header.
    Hmac(HmacRules),
    /// A plugin that exports `receiver`.
    Plugin(PluginUse),
}

/// Schemes that sign a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// 1 s to 24 h, in both directions.
    #[serde(default = "default_tolerance", with = "spelt")]
    pub tolerance: Duration,
}

/// Schemes that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untimed {}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// For providers that have nothing better.
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// What the text of the secret stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyEncoding {
    /// Its own bytes.
    #[default]
    Text,
    Hex,
    Base64,
}

/// An HMAC as many providers have it, each in its own way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacRules {
    /// Where the signature is.
    pub header: Box<str>,
    #[serde(default)]
    pub algorithm: Algorithm,
    #[serde(default)]
    pub encoding: Encoding,
    /// Before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: Box<str>,
    #[serde(default)]
    pub secret_encoding: KeyEncoding,
    /// Where the signed time is: seconds or milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<Box<str>>,
    /// What is signed: text with `{timestamp}` and `{body}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Box<str>>,
    #[serde(default = "default_tolerance", with = "spelt")]
    pub tolerance: Duration,
}

impl HmacRules {
    /// What is signed, where the rules do not say.
    #[must_use]
    pub fn signed(&self) -> &str {
        let default = if self.timestamp_header.is_some() {
            "{timestamp}.{body}"
        } else {
            "{body}"
        };
        self.signed.as_deref().unwrap_or(default)
    }

    /// # Errors
    /// Names the member and the rule that it breaks.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_name = |name: &str| http::HeaderName::try_from(name).is_ok();
        if !is_name(&self.header) {
            return Err(("header", "is no name of a header"));
        }
        let time = self.timestamp_header.as_deref();
        if time.is_some_and(|name| !is_name(name)) {
            return Err(("timestamp_header", "is no name of a header"));
        }
        if self.prefix.len() > 64 || self.signed().len() > 255 {
            return Err((
                "signed",
                "is too long; 255 bytes are allowed, and 64 for prefix",
            ));
        }
        if self.signed().matches("{body}").count() != 1 {
            return Err(("signed", "must hold {body} once"));
        }
        match (time, self.signed().matches("{timestamp}").count()) {
            (Some(_), 1) | (None, 0) => Ok(()),
            (Some(_), _) => Err((
                "signed",
                "must hold {timestamp} once: a time that is not signed proves nothing",
            )),
            (None, _) => Err(("timestamp_header", "is missing; signed holds {timestamp}")),
        }
    }
}

impl Verifier {
    /// As it is written.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::StandardWebhooks(_) => "standard-webhooks",
            Self::Github(_) => "github",
            Self::Stripe(_) => "stripe",
            Self::Slack(_) => "slack",
            Self::Shopify(_) => "shopify",
            Self::Hmac(_) => "hmac",
            Self::Plugin(_) => "plugin",
        }
    }

    /// Whether a provider takes a secret that we make; others hand out their own.
    #[must_use]
    pub const fn takes_our_secret(&self) -> bool {
        matches!(
            self,
            Self::StandardWebhooks(_) | Self::Github(_) | Self::Hmac(_)
        )
    }

    /// How far a signed time may lie from ours, where one is signed.
    #[must_use]
    pub fn tolerance(&self) -> Option<Duration> {
        match self {
            Self::StandardWebhooks(timed) | Self::Stripe(timed) | Self::Slack(timed) => {
                Some(timed.tolerance)
            }
            Self::Hmac(rules) => rules.timestamp_header.as_ref().map(|_| rules.tolerance),
            Self::Github(_) | Self::Shopify(_) | Self::Plugin(_) => None,
        }
    }

    /// Where the provider says what happened.
    #[must_use]
    pub fn type_from(&self) -> TypeFrom {
        let header = |name: &str| TypeOrigin::At(Place::Header(name.into()));
        let pointer = |text: &str| TypeOrigin::At(Place::Pointer(text.into()));
        match self {
            Self::StandardWebhooks(_) => TypeFrom::of(pointer("/type"), ""),
            Self::Github(_) => TypeFrom::of(header("x-github-event"), "github."),
            Self::Stripe(_) => TypeFrom::of(pointer("/type"), "stripe."),
            Self::Slack(_) => TypeFrom::of(pointer("/event/type"), "slack."),
            Self::Shopify(_) => TypeFrom::of(header("x-shopify-topic"), "shopify."),
            Self::Hmac(_) | Self::Plugin(_) => {
                TypeFrom::of(TypeOrigin::Text("webhook.received".into()), "")
            }
        }
    }

    /// Where the provider's delivery id is, the same for each repetition.
    #[must_use]
    pub fn id_from(&self) -> Option<Place> {
        match self {
            Self::StandardWebhooks(_) => Some(Place::Header("webhook-id".into())),
            Self::Github(_) => Some(Place::Header("x-github-delivery".into())),
            Self::Stripe(_) => Some(Place::Pointer("/id".into())),
            Self::Slack(_) => Some(Place::Pointer("/event_id".into())),
            Self::Shopify(_) => Some(Place::Header("x-shopify-webhook-id".into())),
            Self::Hmac(_) | Self::Plugin(_) => None,
        }
    }

    /// # Errors
    /// Names the member and the rule that it breaks.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_sane = |tolerance| (Duration::from_secs(1)..=MAX_TOLERANCE).contains(&tolerance);
        if !self.tolerance().is_none_or(is_sane) {
            return Err(("tolerance", "must be 1s to 24h"));
        }
        match self {
            Self::Hmac(rules) => rules.check(),
            _ => Ok(()),
        }
    }
}

fn default_tolerance() -> Duration {
    DEFAULT_TOLERANCE
}

/// Durations as people write them.
mod spelt {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Verifier, String> {
        let verifier: Verifier = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let checked = verifier.check();
        checked.map_err(|(member, rule)| format!("{member} {rule}"))?;
        Ok(verifier)
    }

    #[test]
    fn each_kind_is_read_and_written_back() {
        for text in [
            r#"{"kind":"standard-webhooks","tolerance":"5m"}"#,
            r#"{"kind":"github"}"#,
            r#"{"kind":"stripe","tolerance":"10m"}"#,
            r#"{"kind":"slack","tolerance":"5m"}"#,
            r#"{"kind":"shopify"}"#,
        ] {
            let verifier = read(text).unwrap();
            assert_eq!(serde_json::to_string(&verifier).unwrap(), text);
            assert!(text.contains(verifier.kind()));
        }
        let hmac = read(r#"{"kind": "hmac", "header": "X-Sign", "timestamp_header": "X-Time"}"#);
        let Ok(Verifier::Hmac(rules)) = hmac else {
            panic!("{hmac:?}")
        };
        assert_eq!(rules.signed(), "{timestamp}.{body}");
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        for (text, part) in [
            (r#"{"kind": "gitlab"}"#, "gitlab"),
            (r#"{"kind": "github", "tolerance": "5m"}"#, "tolerance"),
            (r#"{"kind": "stripe", "tolerance": "2d"}"#, "1s to 24h"),
            (r#"{"kind": "hmac"}"#, "header"),
            (r#"{"kind": "hmac", "header": "a b"}"#, "header is no name"),
            (
                r#"{"kind": "hmac", "header": "a", "signed": "x"}"#,
                "{body} once",
            ),
            (
                r#"{"kind": "hmac", "header": "a", "signed": "{timestamp}{body}"}"#,
                "timestamp_header is missing",
            ),
            (
                r#"{"kind": "hmac", "header": "a", "timestamp_header": "b", "signed": "{body}"}"#,
                "proves nothing",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
