//! A receiver on this machine, for `listen` and `demo`: takes deliveries, checks their signatures
//! and hands them on.
//!
//! It checks with a few lines of its own rather than with the sender's code, as a receiver would.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::domain::clock::Timestamp;
use crate::domain::secret::SigningSecret;

/// Larger requests are refused with 413.
const MAX_BODY_BYTES: usize = 64 << 20;
/// How far a timestamp may be from now, in either direction.
const TOLERANCE: Duration = Duration::from_secs(300);

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

/// What a signature came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureFault {
    #[error("webhook-id, webhook-timestamp or webhook-signature is missing")]
    Missing,
    #[error("the timestamp is more than five minutes away")]
    Stale,
    #[error("no signature matches")]
    Wrong,
}

impl Arrival {
    pub(super) fn header(&self, name: &str) -> &str {
        text(&self.head.headers, name).unwrap_or_default()
    }

    /// Checks the signature as Standard Webhooks 1.0 says.
    pub(super) fn verify(
        &self,
        secret: &SigningSecret,
        now: Timestamp,
    ) -> Result<(), SignatureFault> {
        let headers = &self.head.headers;
        let (Some(id), Some(sent), Some(signatures)) = (
            text(headers, "webhook-id"),
            text(headers, "webhook-timestamp"),
            text(headers, "webhook-signature"),
        ) else {
            return Err(SignatureFault::Missing);
        };
        let seconds: i64 = sent.parse().map_err(|_| SignatureFault::Missing)?;
        let distance = now.as_unix_seconds().abs_diff(seconds);
        if distance > TOLERANCE.as_secs() {
            return Err(SignatureFault::Stale);
        }
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC takes keys of any length");
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(sent.as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        let matches = |signature: &str| {
            let given = signature
                .strip_prefix("v1,")
                .and_then(|text| STANDARD.decode(text).ok());
            given.is_some_and(|given| mac.clone().verify_slice(&given).is_ok())
        };
        if signatures.split(' ').any(matches) {
            Ok(())
        } else {
            Err(SignatureFault::Wrong)
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A bound port; nothing is taken before [`Self::serve`].
#[derive(Debug)]
pub(super) struct LocalReceiver {
    listener: TcpListener,
    address: SocketAddr,
}

impl LocalReceiver {
    /// On loopback; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the port is taken.
    pub(super) async fn bind(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Takes requests until it is dropped; `take` says how each is answered.
    pub(super) async fn serve<F, Answer>(self, take: F)
    where
        F: Fn(Arrival) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = StatusCode> + Send + 'static,
    {
        let take = Arc::new(take);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, Arc::clone(&take)));
                    }
                    // Out of sockets: some will be given back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn converse<F, Answer>(stream: TcpStream, take: Arc<F>)
where
    F: Fn(Arrival) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = StatusCode> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let take = Arc::clone(&take);
        async move {
            let (head, body) = request.into_parts();
            let status = match Limited::new(body, MAX_BODY_BYTES).collect().await {
                Ok(body) => {
                    take(Arrival {
                        head,
                        body: body.to_bytes(),
                    })
                    .await
                }
                Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
            };
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    // A sender that goes away in the middle tries again.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks documents.
    #[test]
    fn the_known_signature_is_accepted_and_a_changed_body_is_not() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let request = Request::post("/")
            .header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
            .header("webhook-timestamp", "1614265330")
            .header(
                "webhook-signature",
                "v0,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            );
        let (head, ()) = request.body(()).unwrap().into_parts();
        let mut arrival = Arrival {
            head,
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        };
        let now = Timestamp::from_ms(1_614_265_330_000);
        assert_eq!(arrival.verify(&secret, now), Ok(()));
        let late = now.plus(Duration::from_secs(301));
        assert_eq!(arrival.verify(&secret, late), Err(SignatureFault::Stale));
        arrival.body = Bytes::from_static(b"{}");
        assert_eq!(arrival.verify(&secret, now), Err(SignatureFault::Wrong));
        arrival.head.headers.remove("webhook-id");
        assert_eq!(arrival.verify(&secret, now), Err(SignatureFault::Missing));
    }
}
