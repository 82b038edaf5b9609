//! The metadata store in one `SQLite` file: for one node, without another service to run.
//!
//! All writes of this process go through one task (`writer`) that commits them in groups; reads come from a small pool of
//! connections beside it and never wait for a write. Another process (the command line) may write to the same file.
//! The SQL is plain enough to serve `PostgreSQL` later, except for `json_each`, which carries lists.

mod acme;
mod error;
mod grants;
mod inspect;
mod keys;
mod links;
mod login_failures;
mod manifests;
mod open;
mod operation;
mod policy;
mod put;
mod referrers;
mod refresh_tokens;
mod repositories;
mod row;
mod statement;
mod tags;
mod uploads;
mod users;
mod writer;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::{SqliteConnection, SqlitePool};

pub use self::inspect::Inspection;
use self::writer::Writer;
use super::Metadata;
use crate::storage::StorageError;

/// The metadata store in a `SQLite` file. Made by [`SqliteMetadata::open`], ended by [`Metadata::close`].
pub struct SqliteMetadata {
    readers: SqlitePool,
    writer: Writer,
}

impl SqliteMetadata {
    /// Runs `operation` in a transaction of its own, shared with others only in its commit; durable when this returns. Once
    /// queued it is carried out even if the caller goes away.
    async fn write<T, F>(&self, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
    {
        self.writer.run(operation).await
    }
}

#[async_trait]
impl Metadata for SqliteMetadata {
    async fn policy_version(&self) -> Result<i64, StorageError> {
        policy::version(&self.readers).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.write(|connection| Box::pin(policy::touch(connection))).await
    }

    async fn is_new(&self) -> Result<bool, StorageError> {
        policy::is_new(&self.readers).await
    }

    /// Moves the write-ahead log into the database too.
    async fn close(&self) -> Result<(), StorageError> {
        self.readers.close().await;
        self.writer.close().await
    }
}

/// Whole seconds since the Unix epoch.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
