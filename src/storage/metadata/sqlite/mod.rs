//! The metadata store in one `SQLite` file: for one node, without another service to run.
//!
//! All writes of this process go through one thread (`writer`) that commits them in groups; reads come from a small pool of
//! connections next to it and never wait for a write. Another process (the command line) may write to the same file.

mod copies;
mod error;
mod inspect;
mod open;
mod operation;
mod schema;
#[cfg(test)]
pub(super) mod statement_tests;
mod tables;
mod writer;

use futures_util::future::BoxFuture;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

pub(crate) use self::copies::{DatabaseCopies, DatabaseCopy};
use self::error::failed;
pub(crate) use self::inspect::{inspect, schema};
pub use self::open::open;
pub(crate) use self::open::{finalize, migrate};
pub(crate) use self::schema::newest_schema;
#[cfg(test)]
pub(super) use self::schema::{STEPS, SqliteSchema};
pub(crate) use self::tables::{snapshot, tables};
use self::writer::Writer;
use super::sql::{Engine, Outcome, Session, Value};
use crate::storage::StorageError;

/// One `SQLite` file.
struct SqliteEngine {
    readers: SqlitePool,
    writer: Writer,
}

impl Engine for SqliteEngine {
    type Session = SqliteConnection;

    const SERVES_MANY_NODES: bool = false;

    async fn write<T, F>(&self, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        self.writer.run(operation, true).await
    }

    async fn write_soon<T, F>(&self, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        self.writer.run(operation, false).await
    }

    async fn snapshot<T, F>(&self, reads: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        let mut snapshot = self.readers.begin().await.map_err(failed)?;
        let read = reads(&mut snapshot).await?;
        snapshot.commit().await.map_err(failed)?;
        Ok(read)
    }

    async fn all(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<SqliteRow>, StorageError> {
        bound(sql, values).fetch_all(&self.readers).await.map_err(failed)
    }

    async fn first(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<SqliteRow>, StorageError> {
        bound(sql, values).fetch_optional(&self.readers).await.map_err(failed)
    }

    /// The write-ahead log is moved into the database.
    async fn close(&self) -> Result<(), StorageError> {
        self.readers.close().await;
        self.writer.close().await
    }
}

impl Session for SqliteConnection {
    type Row = SqliteRow;

    fn all<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Vec<SqliteRow>> {
        Box::pin(async move { bound(sql, values).fetch_all(self).await.map_err(failed) })
    }

    fn first<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Option<SqliteRow>> {
        Box::pin(async move { bound(sql, values).fetch_optional(self).await.map_err(failed) })
    }

    fn run<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, u64> {
        Box::pin(async move { Ok(bound(sql, values).execute(self).await.map_err(failed)?.rows_affected()) })
    }
}

fn bound(sql: &'static str, values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}
