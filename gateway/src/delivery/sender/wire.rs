//! A connection to a receiver: one request at a time, moved by whoever waits for its answer.
//!
//! Nothing runs beside it. The task that sends a request polls the connection too, so an exchange
//! needs no second task and no message between tasks, and a connection that nobody uses costs no
//! more than its memory. What the receiver did to it meanwhile is seen when it is looked at next.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::metered::{Allowance, Metered};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// Most header fields of an answer.
const MAX_HEADERS: usize = 100;
/// Largest head of an answer, and most that is read ahead of a body.
pub(super) const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// What bytes go through.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;
pub(super) type Outgoing = Request<Full<Bytes>>;

type Conn = Connection<TokioIo<Metered<Stream>>, Full<Bytes>>;

/// An open connection.
pub(super) struct Wire {
    requests: SendRequest<Full<Bytes>>,
    connection: Conn,
    has_ended: bool,
    allowance: Allowance,
    /// Whom it is connected to.
    pub(super) address: IpAddr,
}

impl Wire {
    pub(super) async fn new(stream: Stream, address: IpAddr) -> Result<Box<Self>, hyper::Error> {
        let (stream, allowance) = Metered::new(stream);
        let (requests, connection) = Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Box::new(Self {
            requests,
            connection,
            has_ended: false,
            allowance,
            address,
        }))
    }

    /// Sends `request` and waits for the head of its answer, which may have so many bytes altogether.
    /// A request of which nothing was sent comes back in the error.
    pub(super) async fn send(
        &mut self,
        request: Outgoing,
        max_answer_bytes: usize,
    ) -> Result<Response<Incoming>, TrySendError<Outgoing>> {
        self.allowance.set(max_answer_bytes);
        let answer = self.requests.try_send_request(request);
        drive(&mut self.connection, &mut self.has_ended, answer).await
    }

    /// Waits for `work` on an answer of this connection.
    pub(super) async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        drive(&mut self.connection, &mut self.has_ended, work).await
    }

    /// Whether another request may follow: the last one is over and the receiver has neither hung
    /// up nor said anything since.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        move_on(&mut self.connection, &mut self.has_ended, &mut nobody);
        !self.has_ended && self.requests.is_ready()
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn drive<T>(connection: &mut Conn, has_ended: &mut bool, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        move_on(connection, has_ended, context);
        work.as_mut().poll(context)
    })
    .await
}

/// A connection's own failure reaches whoever waits for the answer.
fn move_on(connection: &mut Conn, has_ended: &mut bool, context: &mut Context<'_>) {
    if !*has_ended {
        *has_ended = matches!(Pin::new(connection).poll(context), Poll::Ready(_));
    }
}
