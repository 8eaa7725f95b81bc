//! A way to a receiver: the addresses that were judged for it, and the connections to them.
//!
//! A way lives for a minute, so that no connection outlives a changed verdict: when it is over,
//! names are asked for and judged anew, and what was connected before is closed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::{Host, Url};

use super::connect::Connector;
use super::failure::Failure;
use super::pool::Pool;
use super::wire::Wire;
use crate::config::EgressProxy;

/// How long a verdict about addresses holds.
pub(super) const WAY_LIFE: Duration = Duration::from_secs(60);

pub(super) struct Way {
    connector: Connector,
    pool: Arc<Pool>,
    /// What the `Host` header says.
    pub(super) host: HeaderValue,
    over_at: Instant,
}

impl Way {
    /// `tls` is none for plain HTTP.
    pub(super) fn new(
        target: &Url,
        (vetted, proxy): (Vec<IpAddr>, Option<Arc<EgressProxy>>),
        tls: Option<Arc<ClientConfig>>,
        room: Arc<Semaphore>,
    ) -> Result<Self, Failure> {
        let tls = match tls {
            Some(config) => Some((config, server_name(target)?)),
            None => None,
        };
        Ok(Self {
            connector: Connector {
                addresses: vetted.into(),
                proxy,
                port: target.port_or_known_default().unwrap_or(443),
                tls,
            },
            pool: Pool::new(room),
            host: host(target)?,
            over_at: Instant::now() + WAY_LIFE,
        })
    }

    /// The only address that it can lead to, where there is only one.
    pub(super) fn only_address(&self) -> Option<IpAddr> {
        match *self.connector.addresses {
            [address] => Some(address),
            _ => None,
        }
    }

    /// A connection that was used before.
    pub(super) fn used(&self) -> Option<Box<Wire>> {
        self.pool.take()
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Box<Wire>, Failure> {
        self.connector.connect().await
    }

    /// Keeps a connection for the next request, unless the verdict is too old by now.
    pub(super) fn give_back(&self, wire: Box<Wire>) {
        if Instant::now() < self.over_at {
            self.pool.put(wire);
        }
    }
}

fn server_name(target: &Url) -> Result<ServerName<'static>, Failure> {
    let name = match target.host() {
        Some(Host::Domain(name)) => {
            ServerName::try_from(name.trim_end_matches('.').to_owned()).ok()
        }
        Some(Host::Ipv4(address)) => Some(ServerName::from(IpAddr::V4(address))),
        Some(Host::Ipv6(address)) => Some(ServerName::from(IpAddr::V6(address))),
        None => None,
    };
    name.ok_or_else(|| Failure::unreachable("the target's host is no name for a certificate"))
}

fn host(target: &Url) -> Result<HeaderValue, Failure> {
    let name = target.host_str().unwrap_or_default();
    let text = match target.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    HeaderValue::try_from(text).map_err(|_| Failure::unreachable("the target's host is no header"))
}
