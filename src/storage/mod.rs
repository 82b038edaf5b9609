//! What is kept: blobs as files, everything else in a database. Small traits, one contract suite for every backend.
//!
//! The database is the truth: a blob file that no row names does not exist, and no request path ever lists files.

pub(crate) mod archive;
pub mod blobs;
pub mod coordination;
pub mod metadata;

use std::io;
use std::sync::Arc;

use crate::domain::OverQuota;

/// Why storage could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The disk is full, or below the free-space floor. Nothing was changed.
    #[error("no space left: {0}")]
    Full(String),
    /// The client's body ended with an error or too early. What came before it is kept, see [`blobs::BlobStore::append`].
    #[error("the body of the upload is incomplete: {0}")]
    BrokenBody(String),
    /// The client sent its body too slowly. What came before is kept, as with [`StorageError::BrokenBody`].
    #[error("the body came too slowly: {0}")]
    SlowBody(String),
    /// The process has no more of something that others will give back soon: file descriptors, memory, connections to the database.
    #[error("too busy: {0}")]
    Busy(String),
    /// What was to be deleted or moved is held. Nothing was changed.
    #[error(transparent)]
    Held(#[from] metadata::Held),
    /// A tag was to be deleted or moved that is immutable. Nothing was changed.
    #[error(transparent)]
    Immutable(#[from] metadata::RefusedTag),
    /// The registry is on its way to other storage. Nothing was changed.
    #[error("{0}")]
    Frozen(&'static str),
    /// A service that this depends on does not answer, or says that it cannot work now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A quota has no room for what was to be stored. Nothing was changed.
    #[error("{0}")]
    OverQuota(Box<OverQuota>),
    /// The lease that this was to be done under was taken by another node. Nothing was changed.
    #[error("another node has taken over: {0}")]
    Superseded(String),
    /// A file or row that must be there is missing or damaged.
    #[error("damaged storage: {0}")]
    Damaged(String),
    /// The operating system or the database failed.
    #[error("storage failed: {context}: {source}")]
    Failed {
        /// What was being done, to what.
        context: String,
        /// What went wrong.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl StorageError {
    /// An input/output error, told apart by whether the disk is full, or the process out of descriptors.
    pub fn io(context: impl Into<String>, error: io::Error) -> Self {
        let context = context.into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(context),
            _ if is_exhaustion(&error) => Self::Busy(format!("{context}: {error}")),
            _ => Self::Failed { context, source: Arc::new(error) },
        }
    }
}

/// Whether the process or the system has no descriptor or memory left, which passes as requests end.
fn is_exhaustion(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOMEM].contains(&errno)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_told_apart_from_a_failure() {
        let error = |code| StorageError::io("opening x", io::Error::from_raw_os_error(code));
        for code in [23, 24, 12] {
            assert!(matches!(error(code), StorageError::Busy(what) if what.starts_with("opening x: ")), "{code}");
        }
        assert!(matches!(error(28), StorageError::Full(_)));
        assert!(matches!(error(13), StorageError::Failed { .. }));
    }
}
