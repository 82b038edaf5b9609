//! What goes wrong in `PostgreSQL`, in the words of storage. No code of it leaves this backend.

use std::sync::Arc;

use crate::storage::StorageError;

/// `PostgreSQL`'s codes (appendix A of its manual) that mean something of their own here.
mod code {
    /// Two transactions got in each other's way; one that was run again would not.
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    /// Both made the same row; run again, the operation finds it.
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    /// A row that the operation had found was removed meanwhile.
    pub(super) const FOREIGN_KEY_VIOLATION: &str = "23503";
    /// The server that was written to is no longer the one to write to.
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const DUPLICATE_TABLE: &str = "42P07";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    /// Class 57P: it is shutting down, was shut down, or is starting.
    pub(super) const OPERATOR: &str = "57P0";
    /// Class 08: the connection broke.
    pub(super) const CONNECTION: &str = "08";
    pub(super) const DATA_CORRUPTED: &str = "XX001";
    pub(super) const INDEX_CORRUPTED: &str = "XX002";
}

/// In the words of storage.
pub(super) fn failed(error: sqlx::Error) -> StorageError {
    let code = code_of(&error);
    match code.as_deref() {
        Some(code::DISK_FULL) => StorageError::Full("the disk of the metadata database".to_owned()),
        Some(code::DATA_CORRUPTED | code::INDEX_CORRUPTED) => {
            StorageError::Damaged(format!("the metadata database: {error}"))
        }
        _ if passes(&error) => StorageError::Busy(format!("the metadata database: {error}")),
        _ if matches!(error, sqlx::Error::PoolTimedOut) => {
            StorageError::Busy("the metadata database: no connection for a while".to_owned())
        }
        _ if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound) => {
            StorageError::Damaged(format!("a row of the metadata database: {error}"))
        }
        _ => StorageError::Failed { context: "the metadata database".to_owned(), source: Arc::new(error) },
    }
}

/// Whether another try may succeed, because nothing was changed and the cause passes.
pub(super) fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => code_of(error).is_some_and(|code| {
            let whole = [
                code::SERIALIZATION_FAILURE,
                code::DEADLOCK,
                code::UNIQUE_VIOLATION,
                code::FOREIGN_KEY_VIOLATION,
                code::READ_ONLY,
                code::TOO_MANY_CONNECTIONS,
            ];
            whole.contains(&code.as_str()) || code.starts_with(code::OPERATOR) || code.starts_with(code::CONNECTION)
        }),
    }
}

/// Whether another session held a lock for too long, or made the same table at the same time.
pub(super) fn is_in_the_way(error: &sqlx::Error) -> bool {
    let codes = [code::LOCK_NOT_AVAILABLE, code::DEADLOCK, code::UNIQUE_VIOLATION, code::DUPLICATE_TABLE];
    code_of(error).is_some_and(|code| codes.contains(&code.as_str()))
}

/// A task that panics only through a defect, and is cancelled only when the program ends.
pub(super) fn ended(error: tokio::task::JoinError) -> StorageError {
    StorageError::Failed { context: "a task of the metadata database".to_owned(), source: Arc::new(error) }
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
