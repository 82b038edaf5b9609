//! The metadata store in `PostgreSQL`: for several nodes, or where a database server exists anyway.
//!
//! Each operation is one transaction on a connection of a small pool, and what it changes together it locks first, so that operations of
//! several nodes on one repository come one after the other. One that another got in the way of, or whose connection broke before its
//! commit was sent, is run again a few times; the caller sees nothing of that. Nothing is kept in a connection between transactions, so a
//! pooler may hand each transaction to another one.

mod error;
mod inspect;
mod open;
mod schema;
mod session;
#[cfg(test)]
pub(super) mod statement_tests;
mod tables;

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::postgres::{PgPool, PgRow};

use self::error::failed;
pub(crate) use self::inspect::{inspect, schema};
pub use self::open::{PostgresOptions, open};
pub(crate) use self::open::{finalize, migrate};
#[cfg(test)]
pub(super) use self::schema::{PostgresSchema, STEPS};
use self::session::{PgSession, Run, in_transaction};
pub(crate) use self::tables::tables;
use super::sql::{Columns, Engine, Value};
use crate::storage::StorageError;

/// The server's date and time, when it answers.
const TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros";
/// How often an operation is run at most.
const TRIES: u32 = 4;
/// How long to wait before the second try; twice as long before each further one, give or take half.
const PAUSE: Duration = Duration::from_millis(10);

/// Begins a transaction that ends by itself where its node is gone or paused: what it has locked is not locked for all other nodes.
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 10000";

/// One database.
struct PostgresEngine {
    pool: PgPool,
    /// Whether two statements may reach two connections of the server unless a transaction holds them together.
    pooler: bool,
}

impl PostgresEngine {
    /// Runs `operation` in a transaction until it is committed, or has failed by itself.
    async fn run<T, F>(pool: PgPool, begin: &'static str, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        let mut tries = 1;
        loop {
            match in_transaction(&pool, begin, operation.clone()).await {
                Run::Done(outcome) => return outcome,
                Run::GotInTheWay(error) if tries == TRIES => return Err(error),
                Run::GotInTheWay(_) => tokio::time::sleep(pause(tries)).await,
            }
            tries += 1;
        }
    }

    /// One reading statement.
    async fn read(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<PgRow>, StorageError> {
        if self.pooler {
            return self.snapshot(move |session| session::all(session, sql, values)).await;
        }
        let mut tries = 1;
        loop {
            match session::bound(sql, values.clone()).fetch_all(&self.pool).await {
                Err(error) if error::passes(&error) && tries < TRIES => tokio::time::sleep(pause(tries)).await,
                outcome => return outcome.map_err(failed),
            }
            tries += 1;
        }
    }
}

fn pause(tries: u32) -> Duration {
    PAUSE.saturating_mul(1 << tries).mul_f64(rand::random_range(0.25..0.75))
}

impl Engine for PostgresEngine {
    type Session = PgSession;

    const SERVES_MANY_NODES: bool = true;

    async fn time(&self) -> Result<Option<Timestamp>, StorageError> {
        let found = self.first(TIME, Vec::new()).await?;
        let micros = found.as_ref().map(|found| found.integer("micros")).transpose()?;
        Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
    }

    async fn write<T, F>(&self, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        let work = Self::run(self.pool.clone(), BEGIN, operation);
        // A task of its own: it is carried out even where the caller goes away.
        tokio::spawn(work).await.unwrap_or_else(|error| Err(error::ended(error)))
    }

    async fn snapshot<T, F>(&self, reads: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        Self::run(self.pool.clone(), "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", reads).await
    }

    async fn all(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<PgRow>, StorageError> {
        self.read(sql, values).await
    }

    /// The statements of this program that ask for one row find few.
    async fn first(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<PgRow>, StorageError> {
        Ok(self.read(sql, values).await?.into_iter().next())
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.pool.close().await;
        Ok(())
    }
}
