//! Takes webhooks that carry the source's secret in a header, and makes each an event.
//!
//! A provider that signs its requests is verified in the same place: compute what the signature
//! has to be from `request.body` and the secret, and compare all of it.

use hookgate_plugin::json::NoConfig;
use hookgate_plugin::{Draft, Failure, Receiver, Reception, Request};

/// The plugin.
pub struct Plugin;

impl Receiver for Plugin {
    type Config = NoConfig;

    fn receive(request: Request, _: &NoConfig) -> Result<Reception, Failure> {
        let secret = request.secret()?;
        if !is_same(request.header("x-token").unwrap_or_default(), secret) {
            return Ok(Reception::Rejected("the token is wrong".into()));
        }
        let Some(event_type) = request.header("x-event") else {
            return Ok(Reception::Rejected("there is no x-event header".into()));
        };
        let draft = Draft::new(event_type, request.body.clone());
        Ok(Reception::Accepted(vec![draft]))
    }
}

/// Looks at every byte, so that the time it takes tells nothing about the secret.
fn is_same(given: &str, secret: &str) -> bool {
    let differs = given.bytes().zip(secret.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    given.len() == secret.len() && differs == 0
}

hookgate_plugin::export!(Plugin as receiver);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_to_their_end() {
        assert!(is_same("s3cret", "s3cret"));
        assert!(!is_same("s3cre", "s3cret"));
        assert!(!is_same("s3creT", "s3cret"));
    }
}
