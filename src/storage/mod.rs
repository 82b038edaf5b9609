//! What is kept: blobs as files, everything else in a database. Small traits, one contract suite for every backend.
//!
//! The database is the truth: a blob file that no row names does not exist, and no request path ever lists files.

pub mod blobs;
pub mod metadata;

use std::io;
use std::sync::Arc;

/// Why storage could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The disk is full, or below the free-space floor. Nothing was changed.
    #[error("no space left: {0}")]
    Full(String),
    /// No file descriptor is free at the moment. Nothing was changed.
    #[error("too many open files: {0}")]
    Exhausted(String),
    /// The client's body ended with an error or too early. What came before it is kept, see [`blobs::BlobStore::append`].
    #[error("the upload's body broke off: {0}")]
    BrokenBody(String),
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
    /// An input/output error, told apart by whether the disk is full, or files can be opened no more.
    pub fn io(context: impl Into<String>, error: io::Error) -> Self {
        let context = context.into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(context),
            _ if is_out_of_files(&error) => Self::Exhausted(context),
            _ => Self::Failed { context, source: Arc::new(error) },
        }
    }
}

/// Of this process, or of the whole system.
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
