//! Whole tables from one database to another, of the same engine or not: for a move to other storage.
//!
//! Both have the schema of this version, so a table has the same columns on both sides. Rows are read from one snapshot, written in one
//! transaction, and read back: their number and a digest of everything that they hold must be the same.

pub(crate) mod backup;
mod cell;
mod copy;
mod graph;
mod table;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub(super) use self::cell::{Cell, Kind, cell};
pub(crate) use self::copy::{Compared, copy};
pub(crate) use self::graph::{GraphDigest, graph_digest, verify_manifests};
use self::table::TABLES;
pub(crate) use self::table::copied;
use crate::storage::StorageError;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A row as it is read.
pub(crate) type Cells = Result<Vec<Cell>, StorageError>;

/// A database as a set of tables. It has one connection, which is in one transaction at a time.
#[async_trait]
pub(crate) trait Tables: Send {
    /// Begins a transaction that sees one state of the database, and changes nothing.
    async fn begin_reading(&mut self) -> Result<(), StorageError>;

    /// Begins a transaction that changes something.
    async fn begin_writing(&mut self) -> Result<(), StorageError>;

    /// Ends the transaction, and keeps its changes.
    async fn commit(&mut self) -> Result<(), StorageError>;

    /// The columns of a table, in the order in which they were made. Within a transaction.
    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, StorageError>;

    /// The rows that a statement finds, one by one: the cells of these columns. Within a transaction.
    fn rows<'t>(&'t mut self, sql: String, columns: &'t [Column]) -> BoxStream<'t, Cells>;

    /// Runs a statement, and tells how many rows it changed. Within a transaction.
    async fn run(&mut self, sql: String, values: Vec<Cell>) -> Result<u64, StorageError>;

    /// Lets numbers that the database gives to new rows of this table continue after those that it has. Within a transaction.
    async fn continue_numbers(&mut self, table: &str, column: &str) -> Result<(), StorageError>;

    /// Waits for every transaction of others that may be changing one of these tables. Outside of a transaction.
    async fn settle(&mut self, tables: &[&str]) -> Result<(), StorageError>;

    /// Ends the connection.
    async fn close(self: Box<Self>) -> Result<(), StorageError>;
}
