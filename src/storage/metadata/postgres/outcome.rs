//! Whether a transaction was committed whose connection ended before the server said so. The server knows by the transaction's number.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};

use super::connections::{Connections, in_time};
use super::error::broken;
use super::session::READ;

/// How often the server is asked: it may still be at it, or be away for a moment.
const QUESTIONS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the server says of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitState {
    Committed,
    /// Nothing was changed, and nothing will be.
    RolledBack,
    /// The server does not answer, does not remember, or has not decided for long.
    Unknown,
}

/// What became of the transaction of this number.
pub(super) async fn of(connections: &Connections, transaction: &str) -> CommitState {
    let mut pause = PAUSE;
    for _ in 0..QUESTIONS {
        match ask(connections, transaction).await.ok().flatten().as_deref() {
            Some("committed") => return CommitState::Committed,
            Some("aborted") => return CommitState::RolledBack,
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    CommitState::Unknown
}

async fn ask(connections: &Connections, transaction: &str) -> Result<Option<String>, sqlx::Error> {
    // The number is the server's own answer, but what is put into a statement is checked where that happens.
    let digits = transaction.bytes().all(|byte| byte.is_ascii_digit());
    let sql = AssertSqlSafe(format!("SELECT pg_xact_status('{}')", if digits { transaction } else { "0" }));
    let mut lent = connections.lend().await?;
    match in_time(READ, sqlx::raw_sql(sql).fetch_one(lent.connection()?)).await {
        Ok(row) => {
            connections.give_back(lent);
            row.try_get(0)
        }
        Err(error) => {
            if let Some(how) = broken(&error) {
                connections.broke(&lent, how);
            }
            Err(error)
        }
    }
}
