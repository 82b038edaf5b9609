//! Failures of the object store, and what they mean for a blob.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};

use crate::storage::StorageError;

/// Why a request got no result: put in by the connector, and found again in the error that comes of it.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// An answer other than success.
    #[error("the object store answered {status}{}{code}{}{message}", separator(code), separator(message))]
    Answered {
        /// The status.
        status: StatusCode,
        /// The code in its body, such as `NoSuchBucket`; empty where it had none.
        code: String,
        /// What the body says about it.
        message: String,
    },
    /// No answer.
    #[error("the object store has not answered for {} s", .0.as_secs())]
    Silent(Duration),
    /// It was not asked.
    #[error("the object store has been failing; it is tried again in a moment")]
    LeftAlone,
}

fn separator(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ": " }
}

/// Error codes of object stores that are full.
const FULL: [&str; 5] =
    ["InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "InsufficientCapacity", "EntityTooLargeForQuota"];
/// Codes that pass, whatever the status.
const PASSING: [&str; 4] = ["SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"];

impl Refusal {
    /// The refusal that an error comes of.
    pub(super) fn of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        causes(error).find_map(|cause| cause.downcast_ref::<Self>())
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Answered { status, code, .. }
            if *status == StatusCode::INSUFFICIENT_STORAGE || FULL.contains(&code.as_str()))
    }

    /// Whether the object store could not do it now, and may in a while.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Answered { .. } if self.is_full() => false,
            Self::Answered { status, code, .. } => {
                PASSING.contains(&code.as_str())
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || *status == StatusCode::REQUEST_TIMEOUT
                    || (status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED)
            }
            Self::Silent(_) | Self::LeftAlone => true,
        }
    }
}

/// An error and what it comes of.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Whether the object was not found, or the multipart upload.
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        || matches!(Refusal::of(error), Some(Refusal::Answered { status, .. }) if *status == StatusCode::NOT_FOUND)
}

/// What it means for the blob that this was done to.
pub(super) fn failed(context: impl Into<String>, error: object_store::Error) -> StorageError {
    let context = context.into();
    let refusal = Refusal::of(&error);
    if is_missing(&error) {
        return StorageError::Damaged(format!("{context}: it is not there: {}", shown(&error)));
    }
    match refusal {
        Some(refusal) if refusal.is_full() => StorageError::Full(format!("{context}: {refusal}")),
        Some(refusal) if refusal.is_passing() => StorageError::Unavailable(format!("{context}: {refusal}")),
        Some(refusal) => StorageError::Failed { context, source: Arc::new(refusal.clone()) },
        None if is_transport(&error) => StorageError::Unavailable(format!("{context}: {}", shown(&error))),
        None => StorageError::Failed { context, source: Arc::new(error) },
    }
}

/// Whether the connection broke, or could not be made.
pub(super) fn is_transport(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<HttpError>())
        .any(|error| !matches!(error.kind(), HttpErrorKind::Decode))
}

/// The last cause, which says what happened.
pub(super) fn shown(error: &object_store::Error) -> String {
    match Refusal::of(error) {
        Some(refusal) => refusal.to_string(),
        None => causes(error).last().map(ToString::to_string).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> object_store::Error {
        let status = StatusCode::from_u16(status).expect("a status");
        let refusal = Refusal::Answered { status, code: code.to_owned(), message: String::new() };
        let source = HttpError::new(HttpErrorKind::Unknown, refusal);
        object_store::Error::Generic { store: "S3", source: Box::new(source) }
    }

    #[test]
    fn failures_are_told_apart_by_what_can_be_done() {
        for (status, code) in [(503, "SlowDown"), (500, "InternalError"), (429, ""), (502, ""), (400, "RequestTimeout")]
        {
            let error = failed("putting x", answered(status, code));
            assert!(matches!(&error, StorageError::Unavailable(what) if what.starts_with("putting x: ")), "{error:?}");
        }
        for (status, code) in [(507, ""), (507, "XMinioStorageFull"), (403, "QuotaExceeded")] {
            assert!(matches!(failed("", answered(status, code)), StorageError::Full(_)), "{status} {code}");
        }
        for (status, code) in [(403, "AccessDenied"), (400, "InvalidPart"), (501, "NotImplemented")] {
            assert!(matches!(failed("", answered(status, code)), StorageError::Failed { .. }), "{status} {code}");
        }
        assert!(matches!(failed("", answered(404, "NoSuchKey")), StorageError::Damaged(_)));
        assert_eq!(shown(&answered(403, "AccessDenied")), "the object store answered 403 Forbidden: AccessDenied");
    }
}
