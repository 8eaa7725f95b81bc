//! What a gateway that runs here can tell: whether the key opens it, and whether its receivers can be
//! reached from this machine.
//!
//! Opens connections to receivers by the same guard as deliveries, and sends them nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::finding::Finding;
use crate::cli::client::{Client, ClientArgs, ClientError};
use crate::config::{Environment, Settings};
use crate::delivery::guard::{Destination, Guard};
use crate::domain::target_url::TargetUrl;

/// Receivers that are tried: enough to see what is wrong with the way out.
const MAX_TARGETS: usize = 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Nothing where no gateway runs, which is no trouble.
pub(super) async fn findings(settings: &Settings, environment: &Environment) -> Vec<Finding> {
    const CHECK: &str = "key";
    let named = environment.get("HOOKGATE_URL");
    let here = format!("http://{}", settings.server.listen);
    let Ok(url) = Url::parse(named.unwrap_or(&here)) else {
        return Vec::new();
    };
    let args = ClientArgs {
        url: url.clone(),
        api_key: environment.get("HOOKGATE_API_KEY").map(str::to_owned),
        data_dir: settings.process.data_dir.clone(),
    };
    let Ok(client) = Client::new(&args) else {
        return Vec::new();
    };
    match client.get("/v1/subscriptions?limit=100").await {
        Ok(reply) => {
            let mut findings = vec![Finding::ok(CHECK, format!("opens the gateway at {url}"))];
            let found = reply.value["data"].as_array().cloned().unwrap_or_default();
            let targets: BTreeSet<String> = found
                .iter()
                .filter(|subscription| subscription["state"] == "active")
                .filter_map(|subscription| subscription["target_url"].as_str().map(str::to_owned))
                .collect();
            findings.push(targets_of(settings, &targets).await);
            findings
        }
        Err(ClientError::Refused(refusal)) => vec![Finding::failure(
            CHECK,
            format!("the gateway at {url} refuses it with {}", refusal.status),
            "HOOKGATE_API_KEY with a key of that gateway, or run this in the folder of its data",
        )],
        // Nobody is there, or somebody else: `port` has said so.
        Err(_) => Vec::new(),
    }
}

async fn targets_of(settings: &Settings, targets: &BTreeSet<String>) -> Finding {
    const CHECK: &str = "receivers";
    let guard = Guard::new(settings.delivery.targets.clone());
    let mut refused = Vec::new();
    let mut unreachable = Vec::new();
    for target in targets.iter().take(MAX_TARGETS) {
        match tried(&guard, target).await {
            Ok(()) => {}
            Err(Trouble::Refused(why)) => refused.push(format!("{target}: {why}")),
            Err(Trouble::Unreachable(why)) => unreachable.push(format!("{target}: {why}")),
        }
    }
    if !refused.is_empty() {
        return Finding::failure(
            CHECK,
            format!("not allowed: {}", refused.join("\n")),
            "another target; on a network of your own HOOKGATE_ALLOW_PRIVATE_NETWORKS=true",
        );
    }
    if !unreachable.is_empty() {
        return Finding::warning(
            CHECK,
            format!("unreachable from here: {}", unreachable.join("\n")),
            "start them, or look at DNS, routes and firewalls between this machine and them",
        );
    }
    let tried = targets.len().min(MAX_TARGETS);
    Finding::ok(
        CHECK,
        format!("{tried} of {} tried, all take connections", targets.len()),
    )
}

enum Trouble {
    Refused(String),
    Unreachable(String),
}

async fn tried(guard: &Guard, target: &str) -> Result<(), Trouble> {
    let refused = |error: &dyn std::error::Error| Trouble::Refused(error.to_string());
    let Some(target) = TargetUrl::from_stored(target) else {
        return Err(Trouble::Refused(
            "it is no URL that can be called".to_owned(),
        ));
    };
    let port = target.url().port_or_known_default().unwrap_or(443);
    let addresses: Vec<IpAddr> = match guard
        .destination(&target)
        .map_err(|error| refused(&error))?
    {
        Destination::Literal(address) => vec![address],
        Destination::Name(name) => {
            let found = timeout(CONNECT_WITHIN, tokio::net::lookup_host((&*name, port))).await;
            let found = found
                .map_err(|_| Trouble::Unreachable("its name is not resolved in time".to_owned()))?
                .map_err(|error| Trouble::Unreachable(error.to_string()))?;
            found.map(|address| address.ip()).collect()
        }
    };
    guard.judge(&addresses).map_err(|error| refused(&error))?;
    let mut last = "its name has no address".to_owned();
    for address in addresses {
        let connecting = TcpStream::connect(SocketAddr::new(address, port));
        match timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no connection in time".to_owned(),
        }
    }
    Err(Trouble::Unreachable(last))
}
