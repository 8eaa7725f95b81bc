//! Makes connections, to vetted addresses alone: what is dialled is an address and never a name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

use super::failure::Failure;
use super::proxy::tunnel;
use super::wire::Wire;
use crate::config::EgressProxy;

/// Head start of an address over the next one.
const HEAD_START: Duration = Duration::from_millis(250);

/// Where a way's connections lead, and how they are secured.
pub(super) struct Connector {
    /// Vetted, in the order in which they are tried; never empty.
    pub(super) addresses: Box<[IpAddr]>,
    pub(super) port: u16,
    /// What connections go through.
    pub(super) proxy: Option<Arc<EgressProxy>>,
    /// None for plain HTTP.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Connector {
    pub(super) async fn connect(&self) -> Result<Box<Wire>, Failure> {
        let (stream, address) = self.dial().await?;
        stream.set_nodelay(true)?;
        let stream = match &self.tls {
            None => Either::Left(stream),
            Some((config, name)) => {
                let connector = TlsConnector::from(config.clone());
                Either::Right(connector.connect(name.clone(), stream).await?)
            }
        };
        Ok(Wire::new(stream, address).await?)
    }

    /// The first address that takes a connection, each with a head start over the next.
    async fn dial(&self) -> Result<(TcpStream, IpAddr), Failure> {
        let mut attempts = FuturesUnordered::new();
        let mut rest = self.addresses.iter().copied();
        let mut failed = Failure::unreachable("no connection");
        loop {
            let next = rest.next();
            let has_more = next.is_some();
            attempts.extend(next.map(|address| self.dial_one(address)));
            tokio::select! {
                ended = attempts.next() => match ended {
                    Some(Ok(connected)) => return Ok(connected),
                    Some(Err(error)) => failed = error,
                    None => return Err(failed),
                },
                () = sleep(HEAD_START), if has_more => {}
            }
        }
    }

    async fn dial_one(&self, address: IpAddr) -> Result<(TcpStream, IpAddr), Failure> {
        let to = SocketAddr::new(address, self.port);
        let stream = match &self.proxy {
            None => TcpStream::connect(to).await?,
            Some(proxy) => tunnel(proxy, to).await?,
        };
        Ok((stream, address))
    }
}
