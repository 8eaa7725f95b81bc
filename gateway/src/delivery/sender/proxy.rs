//! Goes out through an HTTP proxy that the operator names, by a tunnel to a vetted address.
//!
//! The proxy is never taken from the environment, and it resolves nothing: it is told an address
//! that the guard has let through, so it cannot be led elsewhere. What goes through the tunnel is
//! what would go over the wire, TLS included.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::failure::Failure;
use crate::config::EgressProxy;

/// Largest head of the proxy's answer.
const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

/// Opens a tunnel to `to`.
pub(super) async fn tunnel(proxy: &EgressProxy, to: SocketAddr) -> Result<TcpStream, Failure> {
    let failed = |error: io::Error| {
        let words = Failure::from(error).reason;
        Failure::unreachable(&format!("the egress proxy: {words}"))
    };
    let mut stream = TcpStream::connect((proxy.host(), proxy.port()))
        .await
        .map_err(failed)?;
    let authorization = proxy.authorization().map_or_else(String::new, |value| {
        format!("proxy-authorization: {value}\r\n")
    });
    let request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    match status(&mut stream).await.map_err(failed)? {
        Some(200..300) => Ok(stream),
        Some(status) => Err(Failure::unreachable(&format!(
            "the egress proxy answered {status}"
        ))),
        None => Err(Failure::unreachable("the egress proxy does not speak HTTP")),
    }
}

/// The status of an answer that ends with its head: the side that we are connected to then does not
/// speak first. None where it is something else.
async fn status(stream: &mut TcpStream) -> io::Result<Option<u16>> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD_BYTES {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {
                return Ok(response.code);
            }
            // A refusal may have a body, which is nothing to us.
            Ok(httparse::Status::Complete(_)) => {
                return Ok(response.code.filter(|code| !(200..300).contains(code)));
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::io::copy_bidirectional;
    use tokio::net::TcpListener;

    use super::super::tests::{closed, open, post, receiving, through};
    use crate::config::EgressProxy;
    use crate::domain::attempt::Outcome;

    use super::*;

    /// A proxy that answers `head` and, where it says yes, does what it is asked. Keeps what it was
    /// asked.
    async fn proxy(head: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    client.read_buf(&mut request).await.unwrap();
                }
                let request = String::from_utf8(request).unwrap();
                let to = request.split(' ').nth(1).unwrap().to_owned();
                kept.lock().push(request);
                client.write_all(head.as_bytes()).await.unwrap();
                if head.starts_with("HTTP/1.1 200") {
                    tokio::spawn(async move {
                        let mut receiver = TcpStream::connect(to).await.unwrap();
                        let _ = copy_bidirectional(&mut client, &mut receiver).await;
                    });
                }
            }
        });
        (port, asked)
    }

    fn named(port: u16) -> EgressProxy {
        EgressProxy::parse(&format!("http://user:p%40ss@127.0.0.1:{port}")).unwrap()
    }

    #[tokio::test]
    async fn requests_go_through_a_tunnel_to_the_vetted_address() {
        let (port, asked) = proxy("HTTP/1.1 200 Connection established\r\n\r\n").await;
        let receiver = receiving().await;
        let sender = through(open(), named(port));
        let target = format!("http://receiver.test:{receiver}/");
        for _ in 0..3 {
            let sent = post(&sender, &target, 10_000).await;
            assert_eq!(sent.outcome, Outcome::Accepted, "{sent:?}");
            assert_eq!(sent.address, Some("127.0.0.1".parse().unwrap()));
        }
        let asked = asked.lock();
        assert_eq!(asked.len(), 1, "the tunnel is kept: {asked:?}");
        assert_eq!(
            asked[0],
            format!(
                "CONNECT 127.0.0.1:{receiver} HTTP/1.1\r\nhost: 127.0.0.1:{receiver}\r\n\
                 proxy-authorization: Basic dXNlcjpwQHNz\r\n\r\n"
            )
        );
    }

    #[tokio::test]
    async fn a_proxy_is_no_way_around_the_guard() {
        let (port, asked) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
        let sender = through(closed(), named(port));
        let sent = post(&sender, "https://receiver.test/", 10_000).await;
        assert_eq!(sent.outcome, Outcome::Blocked, "{sent:?}");
        assert!(asked.lock().is_empty());
    }

    #[tokio::test]
    async fn what_the_proxy_says_is_told() {
        for (head, words) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno",
                "the egress proxy answered 407",
            ),
            ("SSH-2.0-x\r\n\r\n", "the egress proxy does not speak HTTP"),
            // Whoever speaks before it was spoken to is not the receiver.
            (
                "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                "the egress proxy does not speak HTTP",
            ),
        ] {
            let (port, _) = proxy(head).await;
            let sent = post(
                &through(open(), named(port)),
                "http://receiver.test/",
                10_000,
            )
            .await;
            assert_eq!(
                (sent.outcome, sent.reason.as_deref()),
                (Outcome::Unreachable, Some(words))
            );
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let sent = post(
            &through(open(), named(port)),
            "http://receiver.test/",
            10_000,
        )
        .await;
        let words = "the egress proxy: connection refused";
        assert_eq!(sent.reason.as_deref(), Some(words));
    }
}
