//! Where deliveries go: a URL that was parsed once and passed the rules that need no look-up.
//!
//! Addresses that a name resolves to are judged at every connect, by the guard in `delivery`; this
//! is only what can be said from the text.

use std::fmt;

use url::{Host, Url};

/// Longest target that is taken.
pub const MAX_URL_BYTES: usize = 2048;

/// What targets a deployment allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRules {
    /// `http`, any port and private addresses are allowed.
    pub allow_private_networks: bool,
    /// Ports allowed where private networks are not.
    pub allowed_ports: Vec<u16>,
}

impl Default for TargetRules {
    fn default() -> Self {
        Self {
            allow_private_networks: false,
            allowed_ports: vec![443, 8443],
        }
    }
}

/// A receiver that Hookgate may try to call: allowed scheme and port, no user info, no fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetUrl(Url);

/// The first rule that a target breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTargetUrl {
    #[error("is not an absolute URL ({0})")]
    Unreadable(url::ParseError),
    #[error("is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    #[error("has the scheme {0:?}; https is needed (http only where private networks are allowed)")]
    Scheme(String),
    #[error("has no host")]
    NoHost,
    #[error("carries a user name or password; use headers or auth instead")]
    UserInfo,
    #[error("has a fragment, which is never sent")]
    Fragment,
    #[error("has control characters, spaces or backslashes")]
    Characters,
    #[error("uses port {port}; allowed are {allowed:?} (HOOKGATE_ALLOWED_PORTS)")]
    Port { port: u16, allowed: Vec<u16> },
    #[error(
        "names a local host; only public receivers are allowed (HOOKGATE_ALLOW_PRIVATE_NETWORKS)"
    )]
    LocalName,
}

impl TargetUrl {
    /// # Errors
    /// Names the first rule that `text` breaks.
    pub fn parse(text: &str, rules: &TargetRules) -> Result<Self, InvalidTargetUrl> {
        if text.len() > MAX_URL_BYTES {
            return Err(InvalidTargetUrl::TooLong);
        }
        // `Url` would quietly drop tabs and newlines and turn backslashes into slashes.
        if text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
        {
            return Err(InvalidTargetUrl::Characters);
        }
        let url = Url::parse(text).map_err(InvalidTargetUrl::Unreadable)?;
        let is_allowed_scheme =
            url.scheme() == "https" || (url.scheme() == "http" && rules.allow_private_networks);
        if !is_allowed_scheme {
            return Err(InvalidTargetUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidTargetUrl::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(InvalidTargetUrl::Fragment);
        }
        Self::check_host_and_port(&url, rules)?;
        Ok(Self(url))
    }

    fn check_host_and_port(url: &Url, rules: &TargetRules) -> Result<(), InvalidTargetUrl> {
        let host = url.host().ok_or(InvalidTargetUrl::NoHost)?;
        let port = url.port_or_known_default().unwrap_or(0);
        if rules.allow_private_networks {
            return if port == 0 {
                Err(InvalidTargetUrl::Port {
                    port,
                    allowed: vec![],
                })
            } else {
                Ok(())
            };
        }
        if !rules.allowed_ports.contains(&port) {
            return Err(InvalidTargetUrl::Port {
                port,
                allowed: rules.allowed_ports.clone(),
            });
        }
        if let Host::Domain(name) = host {
            let name = name.trim_end_matches('.');
            let is_local = ["localhost", "local", "internal", "localdomain", "home.arpa"]
                .iter()
                .any(|local| name == *local || name.ends_with(&format!(".{local}")));
            // A single label would go through the resolver's search domains.
            if is_local || !name.contains('.') || name.is_empty() {
                return Err(InvalidTargetUrl::LocalName);
            }
        }
        Ok(())
    }

    /// For what was vetted when it was stored; the guard still judges each connect.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Url::parse(text).ok().filter(Url::has_host).map(Self)
    }

    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_by_their_text() {
        let open = TargetRules {
            allow_private_networks: true,
            allowed_ports: vec![],
        };
        let strict = TargetRules::default();
        for (text, passes_strict, passes_open) in [
            ("https://example.com/hooks?x=1", true, true),
            ("https://example.com:8443/", true, true),
            ("https://example.com:9000/", false, true),
            ("http://example.com/", false, true),
            ("http://127.0.0.1:4000/", false, true),
            ("https://user:pass@example.com/", false, false),
            ("https://example.com/#part", false, false),
            ("ftp://example.com/", false, false),
            ("gopher://127.0.0.1:6379/", false, false),
            ("https://localhost/", false, true),
            ("https://api.localhost/", false, true),
            ("https://intranet/", false, true),
            ("https:\\\\example.com", false, false),
            ("/relative", false, false),
            ("https://exa\tmple.com/", false, false),
        ] {
            assert_eq!(
                TargetUrl::parse(text, &strict).is_ok(),
                passes_strict,
                "{text} strictly"
            );
            assert_eq!(
                TargetUrl::parse(text, &open).is_ok(),
                passes_open,
                "{text} openly"
            );
        }
    }
}
