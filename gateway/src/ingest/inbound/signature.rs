//! One scheme's claim: what was signed, when, and the signatures that came with it.
//!
//! Reads headers as providers write them, and compares in constant time. The time is looked at last,
//! so that only a provider's own times are talked about.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::{hmac, signature};
use subtle::ConstantTimeEq as _;

use super::{Refusal, Request};
use crate::domain::secret::KeyPair;
use crate::domain::source::{Algorithm, Encoding, HmacRules, KeyEncoding, SourceSecret, Verifier};

/// What a request says about itself.
pub(super) struct Claim<'a> {
    /// One after the other, what was signed.
    pub(super) signed: Vec<&'a [u8]>,
    pub(super) given: Vec<Given>,
    /// Seconds since 1970.
    pub(super) at: Option<i64>,
}

/// One signature.
pub(super) struct Given {
    pub(super) is_ed25519: bool,
    pub(super) bytes: Vec<u8>,
}

/// What a secret stands for.
pub(super) enum Key {
    Hmac(hmac::Key),
    Ed25519(Vec<u8>),
}

impl Key {
    pub(super) fn of(verifier: &Verifier, secret: &SourceSecret) -> Result<Self, Refusal> {
        let sha256 = |bytes: &[u8]| Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes));
        match verifier {
            Verifier::StandardWebhooks(_) => {
                if let Some(public) = secret.text().strip_prefix(KeyPair::PUBLIC_PREFIX) {
                    let public = STANDARD.decode(public);
                    let public = public.ok().filter(|bytes| bytes.len() == 32);
                    let why = "a public key is whpk_ and the base64 of 32 bytes";
                    return public
                        .map(Self::Ed25519)
                        .ok_or(Refusal::UnreadableSecret(why));
                }
                let text = secret.text().strip_prefix("whsec_");
                let bytes = STANDARD.decode(text.unwrap_or(secret.text()));
                let why = "a secret of Standard Webhooks is whsec_ and base64";
                bytes
                    .map(|bytes| sha256(&bytes))
                    .map_err(|_| Refusal::UnreadableSecret(why))
            }
            Verifier::Hmac(rules) => own_key(rules, secret),
            _ => Ok(sha256(secret.bytes())),
        }
    }

    fn verifies(&self, claim: &Claim<'_>) -> bool {
        match self {
            Self::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                for part in &claim.signed {
                    context.update(part);
                }
                let expected = context.sign();
                let given = claim.given.iter().filter(|given| !given.is_ed25519);
                // All are looked at, so that the time says nothing about which of them fits.
                given.fold(false, |is_found, given| {
                    is_found | bool::from(expected.as_ref().ct_eq(&given.bytes))
                })
            }
            Self::Ed25519(public) => {
                let public = signature::UnparsedPublicKey::new(&signature::ED25519, public);
                let message = claim.signed.concat();
                let mut given = claim.given.iter().filter(|given| given.is_ed25519);
                given.any(|given| public.verify(&message, &given.bytes).is_ok())
            }
        }
    }
}

fn own_key(rules: &HmacRules, secret: &SourceSecret) -> Result<Key, Refusal> {
    let algorithm = match rules.algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    };
    let bytes = match rules.secret_encoding {
        KeyEncoding::Text => Some(secret.bytes().to_vec()),
        KeyEncoding::Hex => HEXLOWER_PERMISSIVE.decode(secret.bytes()).ok(),
        KeyEncoding::Base64 => STANDARD.decode(secret.text()).ok(),
    };
    let bytes = bytes.ok_or(Refusal::UnreadableSecret(
        "it is not as secret_encoding says",
    ))?;
    Ok(Key::Hmac(hmac::Key::new(algorithm, &bytes)))
}

impl Claim<'_> {
    pub(super) fn is_signed_with(&self, keys: &[Key]) -> bool {
        let verified = keys.iter().map(|key| key.verifies(self));
        verified.fold(false, |is_found, fits| is_found | fits)
    }
}

/// What `request` claims, by the scheme of `verifier`.
pub(super) fn claim<'a>(
    verifier: &'a Verifier,
    request: &Request<'a>,
) -> Result<Claim<'a>, Refusal> {
    match verifier {
        Verifier::StandardWebhooks(_) => standard_webhooks(request),
        Verifier::Github(_) => simple(request, "x-hub-signature-256", |value| {
            hex(value.strip_prefix("sha256=")?)
        }),
        Verifier::Shopify(_) => simple(request, "x-shopify-hmac-sha256", base64),
        Verifier::Stripe(_) => stripe(request),
        Verifier::Slack(_) => slack(request),
        Verifier::Hmac(rules) => generic(rules, request),
        Verifier::Plugin(_) => Err(Refusal::Plugin("it verifies by itself".to_owned())),
    }
}

fn standard_webhooks<'a>(request: &Request<'a>) -> Result<Claim<'a>, Refusal> {
    // Some senders still use the names that the standard grew from.
    let header = |name: &str| {
        let older = name.replacen("webhook", "svix", 1);
        request.header(name).or_else(|| request.header(&older))
    };
    let needed = |name: &str| header(name).ok_or_else(|| Refusal::NoHeader(name.into()));
    let id = needed("webhook-id")?;
    let time = needed("webhook-timestamp")?;
    let given = needed("webhook-signature")?.split(' ').filter_map(|one| {
        let (version, text) = one.split_once(',')?;
        let is_ed25519 = match version {
            "v1" => false,
            "v1a" => true,
            _ => return None,
        };
        let bytes = STANDARD.decode(text).ok()?;
        Some(Given { is_ed25519, bytes })
    });
    Ok(Claim {
        given: given.collect(),
        at: Some(seconds("webhook-timestamp", time)?),
        signed: vec![id.as_bytes(), b".", time.as_bytes(), b".", request.body],
    })
}

fn simple<'a>(
    request: &Request<'a>,
    name: &str,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Claim<'a>, Refusal> {
    let bytes = read(request.needed(name)?.trim());
    let bytes = bytes.ok_or_else(|| unreadable(name, "it holds no signature"))?;
    Ok(Claim {
        signed: vec![request.body],
        given: vec![hmac_of(bytes)],
        at: None,
    })
}

fn stripe<'a>(request: &Request<'a>) -> Result<Claim<'a>, Refusal> {
    const NAME: &str = "stripe-signature";
    let members = request.needed(NAME)?.split(',');
    let members = members.filter_map(|member| member.trim().split_once('='));
    let mut time = None;
    let mut given = Vec::new();
    for (name, value) in members {
        match name {
            "t" => time = Some(value),
            "v1" => given.extend(hex(value).map(hmac_of)),
            _ => {}
        }
    }
    let time = time.ok_or_else(|| unreadable(NAME, "there is no t in it"))?;
    Ok(Claim {
        signed: vec![time.as_bytes(), b".", request.body],
        given,
        at: Some(seconds(NAME, time)?),
    })
}

fn slack<'a>(request: &Request<'a>) -> Result<Claim<'a>, Refusal> {
    const TIME: &str = "x-slack-request-timestamp";
    let time = request.needed(TIME)?;
    let name = "x-slack-signature";
    let given = request.needed(name)?.strip_prefix("v0=").and_then(hex);
    let given = given.ok_or_else(|| unreadable(name, "it is not v0= and a signature in hex"))?;
    Ok(Claim {
        signed: vec![b"v0:", time.as_bytes(), b":", request.body],
        given: vec![hmac_of(given)],
        at: Some(seconds(TIME, time)?),
    })
}

fn generic<'a>(rules: &'a HmacRules, request: &Request<'a>) -> Result<Claim<'a>, Refusal> {
    let value = request.needed(&rules.header)?.trim();
    let text = value
        .strip_prefix(&*rules.prefix)
        .ok_or_else(|| unreadable(&rules.header, "it does not begin with the prefix"))?;
    let bytes = match rules.encoding {
        Encoding::Hex => hex(text),
        Encoding::Base64 => base64(text),
    };
    let bytes = bytes.ok_or_else(|| unreadable(&rules.header, "it is not in the encoding"))?;
    let time = match rules.timestamp_header.as_deref() {
        Some(name) => Some((name, request.needed(name)?)),
        None => None,
    };
    let (before, after) = rules.signed().split_once("{body}").unwrap_or_default();
    let mut signed = with_time(before, time.map(|(_, text)| text));
    signed.push(request.body);
    signed.extend(with_time(after, time.map(|(_, text)| text)));
    let at = time.map(|(name, text)| seconds(name, text)).transpose()?;
    Ok(Claim {
        signed,
        given: vec![hmac_of(bytes)],
        at,
    })
}

fn with_time<'a>(text: &'a str, time: Option<&'a str>) -> Vec<&'a [u8]> {
    match (text.split_once("{timestamp}"), time) {
        (Some((before, after)), Some(time)) => {
            vec![before.as_bytes(), time.as_bytes(), after.as_bytes()]
        }
        _ => vec![text.as_bytes()],
    }
}

fn hmac_of(bytes: Vec<u8>) -> Given {
    Given {
        is_ed25519: false,
        bytes,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// Seconds since 1970; what is too large for seconds is milliseconds.
fn seconds(name: &str, text: &str) -> Result<i64, Refusal> {
    const LARGEST_SECONDS: i64 = 100_000_000_000;
    let number: Result<i64, _> = text.trim().parse();
    match number {
        Ok(ms) if ms > LARGEST_SECONDS => Ok(ms / 1000),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err(unreadable(name, "its time is no whole number")),
    }
}

fn unreadable(name: &str, why: &'static str) -> Refusal {
    let name = name.into();
    Refusal::UnreadableHeader { name, why }
}
