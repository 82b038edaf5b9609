//! Why there was no answer, by how far the exchange came.

use std::error::Error;
use std::io;
use std::time::Duration;

/// What went wrong. The text says all of it, the causes included.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Only `https` is spoken.
    #[error("{0} is not an https address")]
    NotHttps(String),
    /// The host cannot be in a certificate.
    #[error("'{0}' is not a host name or an IP address")]
    InvalidName(String),
    /// No connection.
    #[error("cannot connect to {address}: {cause}")]
    Connect {
        /// `HOST:PORT`.
        address: String,
        /// Why.
        cause: io::Error,
    },
    /// No TLS, or none that was acceptable.
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The whole exchange took too long.
    #[error("no answer within {} s", limit.as_secs())]
    Timeout {
        /// The limit of the exchange.
        limit: Duration,
    },
    /// No byte came, or none could be sent, for too long.
    #[error("no data for {} s", limit.as_secs())]
    Idle {
        /// The limit without a byte.
        limit: Duration,
    },
    /// The body is larger than what is read.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended within the answer, or before it.
    #[error("{0}")]
    Truncated(String),
    /// What came is not HTTP.
    #[error("{0}")]
    NotHttp(String),
}

impl ClientError {
    /// A failure after the TLS handshake, where nothing could be sent or received for `idle`.
    pub(super) fn of_exchange(error: &(dyn Error + 'static), idle: Duration) -> Self {
        let causes = || std::iter::successors(Some(error), |cause: &&(dyn Error + 'static)| (*cause).source());
        let is_timeout = |cause: &(dyn Error + 'static)| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        };
        if causes().any(is_timeout) {
            return Self::Idle { limit: idle };
        }
        let text = causes().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let is_parse =
            |cause: &(dyn Error + 'static)| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
        if causes().any(is_parse) { Self::NotHttp(text) } else { Self::Truncated(text) }
    }

    /// A failure of the TLS handshake.
    pub(super) fn of_handshake(error: io::Error, idle: Duration) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Idle { limit: idle } } else { Self::Tls(error) }
    }

    /// How long was waited, where that was too long.
    pub(crate) fn waited(&self) -> Option<Duration> {
        match self {
            Self::Timeout { limit } | Self::Idle { limit } => Some(*limit),
            _ => None,
        }
    }
}
