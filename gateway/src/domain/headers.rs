//! Which headers a producer, a subscription or a plugin may add to a delivery.
//!
//! What frames the request, names the receiver or carries the signature is the gateway's own; the
//! rest is free. One rule for everybody who may name a header.

/// Most headers that one event, subscription or plugin may add.
pub const MAX_HEADERS: usize = 32;
const MAX_NAME_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 1024;

/// Names that frame the request, steer the connection or are written by the gateway.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-hook-secret",
    "x-hook-signature",
];
const RESERVED_PREFIXES: [&str; 3] = ["ce-", "proxy-", "webhook-"];

/// The first rule that a set of headers breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    #[error("{0} headers are given, at most {MAX_HEADERS} are allowed")]
    TooMany(usize),
    #[error("{0:?} is not a header name of 1 to {MAX_NAME_BYTES} letters, digits or -_.~")]
    Name(String),
    #[error("the header {0:?} is written by the gateway and cannot be set")]
    Reserved(String),
    #[error("the header {0:?} is given twice")]
    Twice(String),
    #[error(
        "the value of {0:?} must have at most {MAX_VALUE_BYTES} visible ASCII characters, spaces only inside"
    )]
    Value(String),
}

/// Names in lower case and values, each allowed, no name twice.
///
/// # Errors
/// Names the first header that may not be set, and why.
pub fn checked<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<(Box<str>, Box<str>)>, InvalidHeader> {
    let mut checked: Vec<(Box<str>, Box<str>)> = Vec::new();
    for (name, value) in headers {
        let name = checked_name(name)?;
        if !is_value(value) {
            return Err(InvalidHeader::Value(name));
        }
        if checked.iter().any(|(other, _)| **other == *name) {
            return Err(InvalidHeader::Twice(name));
        }
        checked.push((name.into(), value.into()));
    }
    if checked.len() > MAX_HEADERS {
        return Err(InvalidHeader::TooMany(checked.len()));
    }
    Ok(checked)
}

fn checked_name(name: &str) -> Result<String, InvalidHeader> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return Err(InvalidHeader::Name(name.chars().take(80).collect()));
    }
    let name = name.to_ascii_lowercase();
    let is_reserved = RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if is_reserved {
        Err(InvalidHeader::Reserved(name))
    } else {
        Ok(name)
    }
}

fn is_value(value: &str) -> bool {
    value.len() <= MAX_VALUE_BYTES
        && value
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && value.trim() == value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_judged_one_by_one() {
        let long = "v".repeat(MAX_VALUE_BYTES + 1);
        for (name, value, allowed) in [
            ("X-Team", "ops", true),
            ("authorization", "Bearer abc", true),
            ("x-empty", "", true),
            ("Host", "example.com", false),
            ("Webhook-Id", "1", false),
            ("webhook-signature", "1", false),
            ("Content-Length", "1", false),
            ("transfer-encoding", "chunked", false),
            ("proxy-authorization", "x", false),
            ("Keep-Alive", "timeout=5", false),
            ("TE", "trailers", false),
            ("Upgrade", "h2c", false),
            ("Connection", "x-team", false),
            ("CE-Source", "forged", false),
            ("X-Hook-Signature", "forged", false),
            ("webhook-request-origin", "forged", false),
            ("x team", "ops", false),
            ("x:team", "ops", false),
            ("", "ops", false),
            ("x-team", "a\r\nb: c", false),
            ("x-team", "a\0", false),
            ("x-team", " ops", false),
            ("x-team", "öps", false),
            ("x-team", &long, false),
        ] {
            assert_eq!(
                checked([(name, value)]).is_ok(),
                allowed,
                "{name:?}: {value:?}"
            );
        }
    }

    #[test]
    fn names_are_told_apart_in_any_case() {
        assert_eq!(
            checked([("X-A", "1"), ("x-a", "2")]),
            Err(InvalidHeader::Twice("x-a".to_owned()))
        );
    }
}
