//! A look at the database that changes nothing: whether it opens, is whole, and of which schema it is.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use super::error::failed;
use super::open::MIGRATIONS;
use crate::storage::StorageError;
use crate::storage::metadata::Inspection;

/// How many faults are told at most.
const FAULTS: &str = "PRAGMA quick_check(10)";

/// Looks at the database at `path` without creating or migrating it. `idle` says that no process has it open: then not even
/// the log files next to it are made.
///
/// Errors: [`StorageError::Damaged`] or [`StorageError::Failed`] where it does not open.
pub(crate) async fn inspect(path: &Path, idle: bool) -> Result<Inspection, StorageError> {
    let has_log = path.with_extension("db-wal").exists();
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(idle && !has_log);
    let mut connection = options.connect().await.map_err(failed)?;
    let faults = sqlx::query(FAULTS).fetch_all(&mut connection).await.map_err(failed)?;
    let faults = faults.iter().filter_map(|row| row.try_get::<String, _>(0).ok()).filter(|text| text != "ok");
    let faults: Vec<String> = faults.collect();
    let schema = sqlx::query("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await;
    let schema = schema.ok().and_then(|row| row.try_get::<Option<i64>, _>(0).ok().flatten());
    connection.close().await.map_err(failed)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    Ok(Inspection { schema, known, faults })
}
