//! How long an exchange may take, and how much of an answer is read.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::ClientError;

/// The most that the head of an answer may take.
pub(super) const HEAD: usize = 32 * 1024;

/// The limits of one exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From connecting to the last byte of the answer.
    pub(crate) total: Duration,
    /// Without a byte in either direction, once the connection is open.
    pub(crate) idle: Duration,
    /// The largest body, in bytes.
    pub(crate) size: usize,
}

/// When an exchange must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    total: Duration,
}

impl Deadline {
    pub(super) fn of(limits: Limits) -> Self {
        Self { at: Instant::now() + limits.total, total: limits.total }
    }

    /// What the work gives, unless the time is up first.
    pub(super) async fn bound<T>(self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        timeout_at(self.at, work).await.map_err(|_| ClientError::Timeout { limit: self.total })?
    }
}
