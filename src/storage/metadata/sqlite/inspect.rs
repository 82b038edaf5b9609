//! A look at the database that changes nothing: whether it opens, is whole, and of which schema it is.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::error::failed;
use super::schema::{STEPS, look};
use crate::storage::StorageError;
use crate::storage::metadata::{Inspection, SchemaStatus};

/// How many faults are told at most.
const FAULTS: &str = "PRAGMA quick_check(10)";

/// Looks at the database at `path` without creating or migrating it. `idle` says that no process has it open: then not even
/// the log files next to it are made.
///
/// Errors: [`StorageError::Damaged`] or [`StorageError::Failed`] where it does not open.
pub(crate) async fn inspect(path: &Path, idle: bool) -> Result<Inspection, StorageError> {
    let mut connection = connect(path, idle).await?;
    let faults = sqlx::query(FAULTS).fetch_all(&mut connection).await.map_err(failed)?;
    let faults = faults.iter().filter_map(|row| row.try_get::<String, _>(0).ok()).filter(|text| text != "ok");
    let faults: Vec<String> = faults.collect();
    let schema = look(&mut connection).await.map(|applied| applied.status(&STEPS));
    connection.close().await.map_err(failed)?;
    // What is damaged may not even tell its schema.
    let schema = if faults.is_empty() { schema? } else { schema.unwrap_or_default() };
    Ok(Inspection { schema, faults })
}

/// The schema of the database at `path`, without creating or migrating it.
pub(crate) async fn schema(path: &Path, idle: bool) -> Result<SchemaStatus, StorageError> {
    let mut connection = connect(path, idle).await?;
    let applied = look(&mut connection).await?;
    connection.close().await.map_err(failed)?;
    Ok(applied.status(&STEPS))
}

async fn connect(path: &Path, idle: bool) -> Result<SqliteConnection, StorageError> {
    let has_log = path.with_extension("db-wal").exists();
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(idle && !has_log);
    options.connect().await.map_err(failed)
}
