//! What lies around the process: the ways out, the address under which others know it, and how the
//! database stands to this release.
//!
//! Asks no gateway; that is `reach`'s.

use std::net::UdpSocket;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::finding::Finding;
use crate::app::system_clock;
use crate::config::{Environment, Secret, Settings};
use crate::store::schema::{self, Standing};

/// Signatures carry the time; receivers take five minutes, people wonder about less.
const MAX_CLOCKS_APART: Duration = Duration::from_secs(2);
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
];

pub(super) fn findings(settings: &Settings, environment: &Environment) -> Vec<Finding> {
    vec![public_url(settings), proxy(environment), ipv6()]
}

fn public_url(settings: &Settings) -> Finding {
    const CHECK: &str = "public URL";
    let server = &settings.server;
    match &server.public_url {
        Some(url) => Finding::ok(CHECK, url.as_str()),
        None if server.listen.ip().is_loopback() && settings.database.url.is_none() => {
            Finding::ok(CHECK, "not set: claim checks name the listen address")
        }
        None => Finding::warning(
            CHECK,
            "not set: claim checks and challenges name the listen address, which receivers do not reach",
            "HOOKGATE_PUBLIC_URL=https://… as receivers see this gateway",
        ),
    }
}

fn proxy(environment: &Environment) -> Finding {
    const CHECK: &str = "proxy";
    let set: Vec<&str> = PROXIES
        .into_iter()
        .filter(|name| environment.get(name).is_some())
        .collect();
    if set.is_empty() {
        return Finding::ok(CHECK, "none in the environment");
    }
    Finding::warning(
        CHECK,
        format!("{} is set, and deliveries do not use it", set.join(", ")),
        "let this machine reach receivers directly, or unset it; a proxy would see what the guard \
         cannot check",
    )
}

/// Asks the routing table alone: nothing is sent.
fn ipv6() -> Finding {
    const CHECK: &str = "IPv6";
    let route = UdpSocket::bind("[::]:0").and_then(|socket| socket.connect("[2600::]:443"));
    match route {
        Ok(()) => Finding::ok(CHECK, "there is a way out"),
        Err(error) => Finding::warning(
            CHECK,
            format!("no way out ({error}): receivers with IPv6 alone are unreachable"),
            "give the machine an IPv6 route, or ignore this where all receivers have IPv4",
        ),
    }
}

/// Of a database that has passed the other checks.
pub(super) async fn schema(url: &Secret) -> Vec<Finding> {
    let Ok(options) = PgConnectOptions::from_str(url.expose()) else {
        return Vec::new();
    };
    match schema::look(&options, &system_clock()).await {
        Ok(standing) => vec![migrations(standing), clock(standing)],
        // Told by the check before.
        Err(_) => Vec::new(),
    }
}

fn migrations(standing: Standing) -> Finding {
    const CHECK: &str = "schema";
    match standing {
        Standing { unknown: 1.., .. } => Finding::failure(
            CHECK,
            format!(
                "ahead: {} migrations are of a newer release",
                standing.unknown
            ),
            "run that release, or one before it that its upgrade notes allow",
        ),
        Standing { applied: 0, .. } => {
            Finding::ok(CHECK, "empty; `hookgate serve` makes it at its first start")
        }
        Standing { missing: 1.., .. } => Finding::warning(
            CHECK,
            format!("behind: {} migrations are missing", standing.missing),
            "back up, then start this release: it applies them, and the one before runs on",
        ),
        _ => Finding::ok(CHECK, "as this release wants it"),
    }
}

fn clock(standing: Standing) -> Finding {
    const CHECK: &str = "clock";
    let apart = standing.clocks_apart;
    if apart <= MAX_CLOCKS_APART {
        return Finding::ok(
            CHECK,
            format!("{} ms from the database's", apart.as_millis()),
        );
    }
    Finding::warning(
        CHECK,
        format!("{} s from the database's", apart.as_secs()),
        "let both machines follow NTP (chrony or systemd-timesyncd); the database's clock counts",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;

    #[test]
    fn clocks_that_are_apart_are_told() {
        let standing = |seconds| Standing {
            applied: 1,
            missing: 0,
            unknown: 0,
            clocks_apart: Duration::from_secs(seconds),
        };
        assert_eq!(clock(standing(1)).state, State::Ok);
        let far = clock(standing(90));
        assert_eq!(far.state, State::Warning);
        assert!(far.to_string().contains("90 s") && far.to_string().contains("NTP"));
    }
}
