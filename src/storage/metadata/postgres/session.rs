//! A transaction, and whether it is worth another try.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};

use super::error::{failed, passes};
use crate::storage::StorageError;
use crate::storage::metadata::sql::{Outcome, Session, Value};

/// A connection in a transaction.
pub(super) struct PgSession {
    connection: PoolConnection<Postgres>,
    /// Whether a statement failed because of another transaction, or of the connection.
    passes: bool,
}

/// What became of a transaction.
pub(super) enum Run<T> {
    /// It was committed, or its operation failed by itself.
    Done(Result<T, StorageError>),
    /// Another transaction or a broken connection got in the way: nothing was changed.
    GotInTheWay(StorageError),
}

impl PgSession {
    /// Takes note of an error that another try may not meet.
    fn note(&mut self, error: sqlx::Error) -> StorageError {
        self.passes |= passes(&error);
        failed(error)
    }
}

/// Begins a transaction by `begin`, runs `operation` in it, and commits it unless that fails.
pub(super) async fn in_transaction<T, F>(pool: &PgPool, begin: &'static str, operation: F) -> Run<T>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgSession) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
{
    let connection = match pool.acquire().await {
        Ok(connection) => connection,
        Err(error) if passes(&error) => return Run::GotInTheWay(failed(error)),
        Err(error) => return Run::Done(Err(failed(error))),
    };
    let mut session = PgSession { connection, passes: false };
    let ran = async {
        if let Err(error) = sqlx::raw_sql(begin).execute(&mut *session.connection).await {
            return Err(session.note(error));
        }
        operation(&mut session).await
    };
    match ran.await {
        Ok(value) => Run::Done(commit(session).await.map(|()| value)),
        Err(error) => {
            let passes = session.passes;
            roll_back(session).await;
            if passes { Run::GotInTheWay(error) } else { Run::Done(Err(error)) }
        }
    }
}

/// Never tried again: where the connection breaks here, no one knows whether the server has committed.
async fn commit(mut session: PgSession) -> Result<(), StorageError> {
    let committed = sqlx::raw_sql("COMMIT").execute(&mut *session.connection).await;
    if let Err(error) = committed {
        discard(session);
        return Err(failed(error));
    }
    Ok(())
}

async fn roll_back(mut session: PgSession) {
    if sqlx::raw_sql("ROLLBACK").execute(&mut *session.connection).await.is_err() {
        discard(session);
    }
}

/// A connection of which it is not known what it is in the middle of is not given back.
fn discard(session: PgSession) {
    // Dropping it closes the socket.
    drop(session.connection.detach().close().now_or_never());
}

impl Session for PgSession {
    type Row = PgRow;

    fn all<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Vec<PgRow>> {
        all(self, sql, values)
    }

    fn first<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Option<PgRow>> {
        Box::pin(async move { Ok(all(self, sql, values).await?.into_iter().next()) })
    }

    fn run<'c>(&'c mut self, sql: &'static str, values: Vec<Value>) -> Outcome<'c, u64> {
        Box::pin(async move {
            match bound(sql, values).execute(&mut *self.connection).await {
                Ok(done) => Ok(done.rows_affected()),
                Err(error) => Err(self.note(error)),
            }
        })
    }
}

/// Every row that the statement finds.
pub(super) fn all<'c>(session: &'c mut PgSession, sql: &'static str, values: Vec<Value>) -> Outcome<'c, Vec<PgRow>> {
    Box::pin(async move {
        let found = bound(sql, values).fetch_all(&mut *session.connection).await;
        found.map_err(|error| session.note(error))
    })
}

pub(super) fn bound(sql: &'static str, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}
