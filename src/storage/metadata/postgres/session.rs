//! A transaction: what became of it, and whether it is worth another try.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::connections::{Connections, Lent, in_time};
use super::error::{Broken, broken, failed, leaves_it_open, passes};
use crate::storage::StorageError;
use crate::storage::metadata::sql::{Outcome, Session, Value};

/// How long a statement that only reads may take: it waits for no lock.
pub(super) const READ: Duration = Duration::from_secs(5);
/// How long any other one may take; `super::open` tells the server the same.
const WRITE: Duration = Duration::from_mins(1);

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read several things as of one moment.
    Snapshot,
    /// To change something, durable when it returns.
    Write,
    /// To change something that is durable with the next [`Purpose::Write`].
    WriteSoon,
}

impl Purpose {
    /// One exchange with the server. A pooler keeps no settings of a session, so there the limits come with each transaction; elsewhere
    /// the connection has them. The number of the transaction tells later whether it was committed.
    fn begin(self, pooler: bool) -> &'static str {
        match (self, pooler) {
            (Self::Snapshot, false) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            (Self::Snapshot, true) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '60s'; \
                 SET LOCAL idle_in_transaction_session_timeout = '10s'"
            }
            (Self::Write, false) => "BEGIN; SELECT CAST(pg_current_xact_id() AS TEXT)",
            (Self::Write, true) => {
                "BEGIN; SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
                 SELECT CAST(pg_current_xact_id() AS TEXT)"
            }
            (Self::WriteSoon, false) => {
                "BEGIN; SET LOCAL synchronous_commit = off; SELECT CAST(pg_current_xact_id() AS TEXT)"
            }
            (Self::WriteSoon, true) => {
                "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = '60s'; \
                 SET LOCAL idle_in_transaction_session_timeout = '10s'; SELECT CAST(pg_current_xact_id() AS TEXT)"
            }
        }
    }

    fn limit(self) -> Duration {
        if self == Self::Snapshot { READ } else { WRITE }
    }
}

/// A connection in a transaction.
pub(super) struct PgSession {
    lent: Lent,
    limit: Duration,
    pooler: bool,
    /// Whether a statement failed because of another transaction, or of the connection.
    passes: bool,
    /// What broke the connection.
    broken: Option<Broken>,
}

/// What became of a transaction.
pub(super) enum Run<T> {
    /// It was committed, or its operation failed by itself.
    Done(Result<T, StorageError>),
    /// Another transaction or a broken connection got in the way: nothing was changed.
    GotInTheWay(StorageError),
    /// The connection ended before the server said whether it has committed.
    Unsure { value: T, transaction: String, error: StorageError },
}

impl PgSession {
    /// Takes note of an error that another try may not meet.
    fn note(&mut self, error: sqlx::Error) -> StorageError {
        self.passes |= passes(&error);
        self.broken = self.broken.or(broken(&error));
        failed(error)
    }

    /// Sends statements without values, and gives the first column of the first row.
    async fn send(&mut self, sql: &'static str) -> Result<Option<String>, sqlx::Error> {
        let rows = in_time(self.limit, sqlx::raw_sql(sql).fetch_all(self.lent.connection()?)).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }

    async fn all(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<PgRow>, StorageError> {
        let query = bound(sql, values, self.pooler);
        let found = async { query.fetch_all(self.lent.connection()?).await };
        let found = in_time(self.limit, found).await;
        found.map_err(|error| self.note(error))
    }

    async fn run(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, StorageError> {
        let query = bound(sql, values, self.pooler);
        let done = async { query.execute(self.lent.connection()?).await };
        let done = in_time(self.limit, done).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.note(error))
    }
}

/// Begins a transaction, runs `operation` in it, and commits it unless that fails.
pub(super) async fn in_transaction<T, F>(
    connections: &Connections,
    pooler: bool,
    purpose: Purpose,
    operation: F,
) -> Run<T>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgSession) -> Outcome<'c, T> + Send + 'static,
{
    let lent = match connections.lend().await {
        Ok(lent) => lent,
        Err(error) if passes(&error) => return Run::GotInTheWay(failed(error)),
        Err(error) => return Run::Done(Err(failed(error))),
    };
    let mut session = PgSession { lent, limit: purpose.limit(), pooler, passes: false, broken: None };
    let begun = match session.send(purpose.begin(pooler)).await {
        Ok(number) => Ok(number),
        Err(error) => Err(session.note(error)),
    };
    let ran = match begun {
        Ok(number) => operation(&mut session).await.map(|value| (value, number)),
        Err(error) => Err(error),
    };
    match ran {
        Ok((value, number)) => commit(connections, session, value, number).await,
        Err(error) => {
            let passes = session.passes;
            roll_back(connections, session).await;
            if passes { Run::GotInTheWay(error) } else { Run::Done(Err(error)) }
        }
    }
}

/// `number` is that of a transaction which may have changed something.
async fn commit<T>(connections: &Connections, mut session: PgSession, value: T, number: Option<String>) -> Run<T> {
    let Err(error) = session.send("COMMIT").await else {
        connections.give_back(session.lent);
        return Run::Done(Ok(value));
    };
    let (is_open, passes) = (leaves_it_open(&error), passes(&error));
    if let Some(how) = broken(&error) {
        connections.broke(&session.lent, how);
    }
    match number {
        // It has read what it was to read.
        None => Run::Done(Ok(value)),
        Some(transaction) if is_open => Run::Unsure { value, transaction, error: failed(error) },
        Some(_) if passes => Run::GotInTheWay(failed(error)),
        Some(_) => Run::Done(Err(failed(error))),
    }
}

async fn roll_back(connections: &Connections, mut session: PgSession) {
    if let Some(how) = session.broken {
        connections.broke(&session.lent, how);
    } else if session.send("ROLLBACK").await.is_ok() {
        connections.give_back(session.lent);
    }
}

impl Session for PgSession {
    type Row = PgRow;

    fn all<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Vec<PgRow>> {
        Box::pin(self.all(sql, values))
    }

    fn first<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Option<PgRow>> {
        Box::pin(async move { Ok(self.all(sql, values).await?.into_iter().next()) })
    }

    fn run<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, u64> {
        Box::pin(self.run(sql, values))
    }
}

/// Every row that the statement finds.
pub(super) fn all<'c>(session: &'c mut PgSession, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Vec<PgRow>> {
    Box::pin(session.all(sql, values))
}

/// A statement with its values. Behind a pooler it is given no name: the next one with that name may reach a connection of the server
/// that has another under it, or none.
pub(super) fn bound(sql: &'static str, values: Vec<Value>, pooler: bool) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(sql).persistent(!pooler);
    values.into_iter().fold(query, |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}
