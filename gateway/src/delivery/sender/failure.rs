//! Why a request was not made or not answered, in words for the subscription's owner.
//!
//! Texts of libraries are shown only where they are about the receiver's certificate: the others
//! name our own insides.

use std::error::Error;
use std::io;

use crate::domain::attempt::Outcome;

/// Why no request was made, or no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn unreachable(reason: &str) -> Self {
        Self {
            outcome: Outcome::Unreachable,
            reason: reason.to_owned(),
        }
    }

    pub(super) fn blocked(reason: impl ToString) -> Self {
        Self {
            outcome: Outcome::Blocked,
            reason: reason.to_string(),
        }
    }

    pub(super) fn timed_out(reason: String) -> Self {
        Self {
            outcome: Outcome::TimedOut,
            reason,
        }
    }
}

/// While a connection is made, its TLS handshake included.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let words = describe_io(&error);
        Self::unreachable(words.as_deref().unwrap_or("no connection"))
    }
}

/// While a request is answered. The first known cause speaks.
impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            let words = error
                .downcast_ref()
                .and_then(describe_io)
                .or_else(|| error.downcast_ref().and_then(describe_http));
            if let Some(words) = words {
                return Self::unreachable(&words);
            }
            cause = error.source();
        }
        Self::unreachable("the exchange broke off")
    }
}

fn describe_tls(error: &rustls::Error) -> String {
    format!("TLS failed: {error}")
}

fn describe_io(error: &io::Error) -> Option<String> {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return Some(describe_tls(tls));
    }
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route to it",
        io::ErrorKind::TimedOut => "no connection in time",
        io::ErrorKind::FileTooLarge => "the receiver says more than is read of an answer",
        io::ErrorKind::UnexpectedEof => "connection closed early",
        _ => return None,
    };
    Some(words.to_owned())
}

fn describe_http(error: &hyper::Error) -> Option<String> {
    let words = if error.is_incomplete_message() {
        "connection closed without a whole answer"
    } else if error.is_parse_too_large() {
        "the answer's head is too large"
    } else if error.is_parse() {
        "the answer is not HTTP"
    } else {
        return None;
    };
    Some(words.to_owned())
}
