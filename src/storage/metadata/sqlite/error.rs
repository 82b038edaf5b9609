//! What goes wrong in `SQLite`, in the words of storage. No code of it leaves this backend.

use std::sync::Arc;

use crate::storage::StorageError;

/// `SQLite`'s primary result codes (<https://www.sqlite.org/rescode.html>) that mean something of their own here.
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANNOT_OPEN: i32 = 14;
    pub(super) const PROTOCOL: i32 = 15;
    pub(super) const NOT_A_DATABASE: i32 = 26;
}

/// In the words of storage.
pub(super) fn failed(error: sqlx::Error) -> StorageError {
    match primary_code(&error) {
        Some(code::FULL) => StorageError::Full("the disk of the metadata database".to_owned()),
        Some(code::CORRUPT | code::NOT_A_DATABASE) => StorageError::Damaged(format!("the metadata database: {error}")),
        // Of readers, PROTOCOL says that others changed the write-ahead log's index each time that they tried to begin.
        Some(code::BUSY | code::LOCKED | code::PROTOCOL) => {
            StorageError::Busy(format!("the metadata database is locked: {error}"))
        }
        Some(code::CANNOT_OPEN) if has_no_descriptor_left() => {
            StorageError::Busy("the metadata database: no file descriptor is left".to_owned())
        }
        _ if matches!(error, sqlx::Error::PoolTimedOut) => {
            StorageError::Busy("the metadata database: every connection has been in use for long".to_owned())
        }
        _ if is_about_content(&error) => StorageError::Damaged(format!("a row of the metadata database: {error}")),
        _ => StorageError::Failed { context: "the metadata database".to_owned(), source: Arc::new(error) },
    }
}

/// Whether another connection held a lock for longer than this one waits.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(code::BUSY)
}

/// `SQLite` does not tell why it cannot open a file; the system does.
fn has_no_descriptor_left() -> bool {
    let opened = std::fs::File::open("/dev/null");
    opened.is_err_and(|error| matches!(StorageError::io("", error), StorageError::Busy(_)))
}

fn is_about_content(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound)
}

/// The low byte of an extended code is the primary one.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn a_database_that_another_process_holds_is_busy_and_not_broken() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new().filename(folder.path().join("metadata.db")).create_if_missing(true);
        let options = options.busy_timeout(Duration::ZERO);
        let (mut other, mut ours) = (options.connect().await.expect("opens"), options.connect().await.expect("opens"));
        sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.expect("the lock");
        for statement in ["BEGIN IMMEDIATE", "SELECT count(*) FROM sqlite_schema"] {
            let error = sqlx::raw_sql(statement).execute(&mut ours).await.expect_err("locked");
            let error = failed(error);
            assert!(matches!(error, StorageError::Busy(_)), "{statement}: {error:?}");
        }
    }
}
