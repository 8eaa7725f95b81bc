//! Turns a target's name into addresses, within bounds of time, number and threads.
//!
//! Says nothing about whether they may be called; that is the guard's. The lookup is a trait so
//! that tests can answer for a zone of their own.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// Most addresses that a name may have; more look like an attempt to keep us busy.
pub const MAX_ADDRESSES: usize = 32;

/// Asks for the addresses of a name.
pub trait Lookup: Send + Sync {
    fn addresses(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's own resolver.
#[derive(Clone, Debug)]
pub struct SystemLookup {
    /// Each lookup holds a thread until the system gives up, long after we did.
    threads: Arc<Semaphore>,
    uses_search_domains: bool,
}

impl SystemLookup {
    const MAX_THREADS: usize = 64;

    /// Without `uses_search_domains`, names are asked for as they are: neither the host file nor a
    /// search domain can make a public name mean something local.
    #[must_use]
    pub fn new(uses_search_domains: bool) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(Self::MAX_THREADS)),
            uses_search_domains,
        }
    }

    fn question(&self, name: &str) -> String {
        let is_absolute = name.ends_with('.') || self.uses_search_domains;
        format!("{name}{}", if is_absolute { "" } else { "." })
    }
}

impl Lookup for SystemLookup {
    fn addresses(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = self.question(name);
        let threads = self.threads.clone();
        Box::pin(async move {
            let permit = threads
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let answer = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(permit);
                found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
            });
            let mut addresses = answer.await.map_err(io::Error::other)??;
            addresses.dedup();
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names_are_asked_for_as_they_are() {
        let strict = SystemLookup::new(false);
        assert_eq!(strict.question("example.com"), "example.com.");
        assert_eq!(strict.question("example.com."), "example.com.");
        assert_eq!(SystemLookup::new(true).question("receiver"), "receiver");
    }
}
