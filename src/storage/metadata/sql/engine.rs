//! What a database must offer so that the statements of this folder run on it: transactions, and rows.

use std::future::Future;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::row::Columns;
use super::value::Value;
use crate::storage::StorageError;

/// What a statement, or several in one transaction, come to.
pub(in crate::storage::metadata) type Outcome<'c, T> = BoxFuture<'c, Result<T, StorageError>>;

/// A connection in a transaction.
pub(in crate::storage::metadata) trait Session: Send + 'static {
    /// A row of this database.
    type Row: Columns;

    /// Every row that the statement finds.
    fn all<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Vec<Self::Row>>;

    /// The first row that the statement finds, if any.
    fn first<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Option<Self::Row>>;

    /// How many rows the statement changed.
    fn run<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, u64>;
}

/// A database. Its errors do not leave it: each method answers in the words of storage.
pub(in crate::storage::metadata) trait Engine: Send + Sync + 'static {
    /// Its connections.
    type Session: Session;

    /// Whether several nodes may work on one.
    const SERVES_MANY_NODES: bool;

    /// The date and time of the database, where that is another machine's.
    fn time(&self) -> impl Future<Output = Result<Option<Timestamp>, StorageError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Runs `operation` in a transaction of its own, durable when this returns. Once begun it is carried out even where the caller
    /// goes away. Where another transaction got in its way, a clone of it is run again.
    fn write<T, F>(&self, operation: F) -> impl Future<Output = Result<T, StorageError>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Session) -> Outcome<'c, T> + Clone + Send + 'static;

    /// As [`Engine::write`], but a power cut soon after may undo it, with all that follows it and nothing before it: once a later
    /// [`Engine::write`] has returned, it is durable too. Engines that cannot tell the two apart need not write this.
    fn write_soon<T, F>(&self, operation: F) -> impl Future<Output = Result<T, StorageError>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Session) -> Outcome<'c, T> + Clone + Send + 'static,
    {
        self.write(operation)
    }

    /// Runs `reads` on one snapshot of the database.
    fn snapshot<T, F>(&self, reads: F) -> impl Future<Output = Result<T, StorageError>> + Send
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Self::Session) -> Outcome<'c, T> + Clone + Send + 'static;

    /// Every row that one reading statement finds.
    fn all(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<RowOf<Self>>, StorageError>> + Send;

    /// The first row that one reading statement finds, if any.
    fn first(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Option<RowOf<Self>>, StorageError>> + Send;

    /// Ends what is queued and closes every connection. Calling it again does nothing.
    fn close(&self) -> impl Future<Output = Result<(), StorageError>> + Send;
}

/// The rows of an engine.
pub(in crate::storage::metadata) type RowOf<E> = <<E as Engine>::Session as Session>::Row;

/// The row of a statement that always finds one.
pub(super) async fn only<S: Session>(
    session: &mut S,
    sql: &'static str,
    values: Vec<Value>,
) -> Result<S::Row, StorageError> {
    session.first(sql, values).await?.ok_or_else(row_missing)
}

/// A row that is made with the database is gone.
pub(super) fn row_missing() -> StorageError {
    StorageError::Damaged("a row of the metadata database is missing".to_owned())
}
