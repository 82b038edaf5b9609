//! The metadata store in `PostgreSQL`: for several nodes, or where a database server exists anyway.
//!
//! Each operation is one transaction on a connection of its own, and what it changes together it locks first, so that operations of
//! several nodes on one repository come one after the other. One that another got in the way of, or whose connection broke before its
//! commit was sent, is run again a few times; the caller sees nothing of that. Where the connection breaks at the commit, the server is
//! asked what became of the transaction: it is run again only where it was rolled back, and what was committed is not reported as a
//! failure. Nothing is kept in a connection between transactions, so a pooler may hand each transaction to another one.

mod connections;
mod error;
mod inspect;
mod open;
mod options;
mod outcome;
#[cfg(test)]
mod plan_tests;
mod schema;
mod session;
#[cfg(test)]
pub(super) mod statement_tests;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use self::connections::{Connections, in_time};
use self::error::failed;
pub(crate) use self::inspect::{inspect, is_new, schema};
pub use self::open::open;
pub(crate) use self::open::{finalize, migrate};
pub use self::options::PostgresOptions;
use self::outcome::CommitState;
#[cfg(test)]
pub(super) use self::schema::{PostgresSchema, STEPS};
use self::session::{PgSession, Purpose, Run, in_transaction};
pub(crate) use self::tables::tables;
use super::sql::{Columns, Engine, Value};
use crate::storage::StorageError;

/// The server's date and time, when it answers.
const TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros";
/// How often an operation is run at most.
const TRIES: u32 = 6;
/// How long to wait before the second try; twice as long before each further one, give or take half. All together that is about the time
/// that a server takes to restart.
const PAUSE: Duration = Duration::from_millis(20);

/// One database.
struct PostgresEngine {
    connections: Arc<Connections>,
    /// Whether two statements may reach two connections of the server unless a transaction holds them together.
    pooler: bool,
}

impl PostgresEngine {
    /// Runs `operation` in a transaction until it is committed, or has failed by itself.
    async fn run<T, F>(
        connections: Arc<Connections>,
        pooler: bool,
        purpose: Purpose,
        operation: F,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        for tries in 1.. {
            let failure = match in_transaction(&connections, pooler, purpose, operation.clone()).await {
                Run::Done(outcome) => return outcome,
                Run::GotInTheWay(failure) => failure,
                Run::Unsure { value, transaction, error } => match outcome::of(&connections, &transaction).await {
                    CommitState::Committed => return Ok(value),
                    CommitState::RolledBack => error,
                    CommitState::Unknown => {
                        return Err(StorageError::Unavailable(format!(
                            "it is not known whether it was stored: {error}"
                        )));
                    }
                },
            };
            if tries == TRIES {
                return Err(failure);
            }
            tokio::time::sleep(pause(tries)).await;
        }
        unreachable!("the last try returns")
    }

    /// As a task of its own: it is carried out even where the caller goes away.
    async fn spawn<T, F>(&self, purpose: Purpose, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        let work = Self::run(Arc::clone(&self.connections), self.pooler, purpose, operation);
        tokio::spawn(work).await.unwrap_or_else(|error| Err(error::ended(error)))
    }

    /// One reading statement.
    async fn read(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<PgRow>, StorageError> {
        if self.pooler {
            return self.snapshot(move |session| session::all(session, sql, values)).await;
        }
        let mut tries = 1;
        loop {
            match self.read_once(sql, values.clone()).await {
                Err(error) if error::passes(&error) && tries < TRIES => tokio::time::sleep(pause(tries)).await,
                outcome => return outcome.map_err(failed),
            }
            tries += 1;
        }
    }

    async fn read_once(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut lent = self.connections.lend().await?;
        let query = session::bound(sql, values, false);
        let read = in_time(session::READ, query.fetch_all(lent.connection()?)).await;
        match &read {
            Ok(_) => self.connections.give_back(lent),
            Err(error) => {
                if let Some(how) = error::broken(error) {
                    self.connections.broke(&lent, how);
                }
            }
        }
        read
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
        self.spawn(Purpose::Write, operation).await
    }

    async fn write_soon<T, F>(&self, operation: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        self.spawn(Purpose::WriteSoon, operation).await
    }

    async fn snapshot<T, F>(&self, reads: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Clone + Send + 'static,
    {
        Self::run(Arc::clone(&self.connections), self.pooler, Purpose::Snapshot, reads).await
    }

    async fn all(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<PgRow>, StorageError> {
        self.read(sql, values).await
    }

    /// The statements of this program that ask for one row find few.
    async fn first(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<PgRow>, StorageError> {
        Ok(self.read(sql, values).await?.into_iter().next())
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.connections.close().await;
        Ok(())
    }
}
