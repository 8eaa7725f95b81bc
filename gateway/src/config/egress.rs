//! The proxy that deliveries go out through, as the operator names it. Never printed: it may hold a
//! password.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// An HTTP proxy that makes tunnels.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressProxy {
    host: Box<str>,
    port: u16,
    /// `Basic …`
    authorization: Option<Box<str>>,
}

impl EgressProxy {
    /// # Errors
    /// Says what it must look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = || {
            "must be like http://proxy.example:3128 or http://user:password@proxy.example:3128"
                .to_owned()
        };
        let url = Url::parse(text).map_err(|_| rule())?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| url.scheme() == "http" && is_bare);
        let host = host.ok_or_else(rule)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // The signs that mean something in a form, and nothing here.
        let decoded = |part: &str| {
            let encoded = part.replace('+', "%2B").replace('&', "%26");
            let mut pairs = url::form_urlencoded::parse(encoded.as_bytes());
            pairs
                .next()
                .map_or_else(String::new, |(text, _)| text.into_owned())
        };
        let authorization = (!url.username().is_empty()).then(|| {
            let password = decoded(url.password().unwrap_or_default());
            let pair = format!("{}:{password}", decoded(url.username()));
            format!("Basic {}", STANDARD.encode(pair)).into()
        });
        Ok(Self {
            host: host.into(),
            port: url.port_or_known_default().unwrap_or(80),
            authorization,
        })
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of `Proxy-Authorization`, where the proxy wants one.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl fmt::Debug for EgressProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EgressProxy({}:{}, …)", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_bare_http_url() {
        let proxy = EgressProxy::parse("http://a%40b:c%3Ad+e@[::1]:3128").unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("::1", 3128));
        let expected = format!("Basic {}", STANDARD.encode("a@b:c:d+e"));
        assert_eq!(proxy.authorization(), Some(expected.as_str()));
        assert_eq!(format!("{proxy:?}"), "EgressProxy(::1:3128, …)");
        let proxy = EgressProxy::parse("http://a&b:c&d=e@proxy").unwrap();
        let expected = format!("Basic {}", STANDARD.encode("a&b:c&d=e"));
        assert_eq!(proxy.authorization(), Some(expected.as_str()));
        assert_eq!(EgressProxy::parse("http://proxy").unwrap().port(), 80);
        for wrong in [
            "proxy:3128",
            "https://proxy/",
            "socks5://proxy",
            "http://proxy/a",
            "",
        ] {
            assert!(EgressProxy::parse(wrong).is_err(), "{wrong}");
        }
    }
}
