//! Opening the database: created with the right permissions, brought to this version's schema, refused where that is too old for it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::SqliteEngine;
use super::error::{failed, is_busy};
use super::schema::{STEPS, SqliteSchema};
use super::writer::Writer;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::metadata::Metadata;
use crate::storage::metadata::migration::{expand, finalize as contract};
use crate::storage::metadata::sql::SqlMetadata;

/// How many reads run at the same time.
const READERS: u32 = 4;
/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(30);
/// The write-ahead log is cut back to this many bytes when it has been moved into the database.
const LOG_LIMIT: &str = "67108864";
/// More statements than there are, so that each is parsed once per connection.
const STATEMENT_CACHE: usize = 200;

/// Opens the database at `path`, creates it (mode 0600) where it is missing, and brings its schema up to date. Several processes may
/// have it open at the same time. Leases and expiry are judged by `clock`.
///
/// Errors: [`StorageError::Damaged`] where the file is not a database, [`StorageError::Failed`] where a newer version of this program has
/// finalized it.
pub async fn open(path: &Path, clock: Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    let (options, mut connection) = connect_to(path).await?;
    bring_up_to_date(path, &mut connection, &clock).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Arc::new(SqlMetadata::new(SqliteEngine { readers, writer: Writer::start(connection)? }, clock)))
}

/// Brings the schema up to date as [`open`] does, and tells the steps that were missing.
pub(crate) async fn migrate(path: &Path, clock: &Clock) -> Result<Vec<String>, StorageError> {
    let (_, mut connection) = connect_to(path).await?;
    let done = bring_up_to_date(path, &mut connection, clock).await?;
    connection.close().await.map_err(failed)?;
    Ok(done)
}

/// Removes from the schema what only older versions need, and tells the steps.
pub(crate) async fn finalize(path: &Path, clock: &Clock) -> Result<Vec<String>, StorageError> {
    let (_, mut connection) = connect_to(path).await?;
    let mut schema = SqliteSchema::new(path, &mut connection, clock.clone());
    let done = contract(&mut schema, &STEPS, clock).await.map_err(|error| at(path, error))?;
    connection.close().await.map_err(failed)?;
    Ok(done)
}

pub(super) async fn connect_to(path: &Path) -> Result<(SqliteConnectOptions, SqliteConnection), StorageError> {
    create_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .pragma("journal_size_limit", LOG_LIMIT)
        .statement_cache_capacity(STATEMENT_CACHE);
    let connection = connect(&options).await.map_err(|error| at(path, error))?;
    Ok((options, connection))
}

async fn bring_up_to_date(
    path: &Path,
    connection: &mut SqliteConnection,
    clock: &Clock,
) -> Result<Vec<String>, StorageError> {
    let mut schema = SqliteSchema::new(path, connection, clock.clone());
    expand(&mut schema, &STEPS, clock).await.map_err(|error| at(path, error))
}

/// `SQLite` would create the file with the umask's permissions; its log files take after it.
fn create_private(path: &Path) -> Result<(), StorageError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StorageError::io(format!("creating the metadata database {}", path.display()), error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Two processes that create the database at once are in each other's way in a manner that `SQLite` does not wait for.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StorageError> {
    let mut attempts = 0;
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && attempts < 100 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            connected => return connected.map_err(failed),
        }
    }
}

/// Says which file it is, and what to do.
fn at(path: &Path, error: StorageError) -> StorageError {
    let path = path.display();
    match error {
        StorageError::Damaged(what) => StorageError::Damaged(format!("{path}: {what}; restore it from a backup")),
        StorageError::Full(what) => StorageError::Full(format!("{path}: {what}")),
        StorageError::Failed { context, source } => {
            StorageError::Failed { context: format!("opening {path}: {context}"), source }
        }
        StorageError::Busy(what) => StorageError::Busy(format!("{path}: {what}")),
        StorageError::Unavailable(what) => StorageError::Unavailable(format!("{path}: {what}")),
        StorageError::BrokenBody(_)
        | StorageError::SlowBody(_)
        | StorageError::OverQuota(_)
        | StorageError::Superseded(_)
        | StorageError::Frozen(_)
        | StorageError::Held(_)
        | StorageError::Immutable(_) => error,
    }
}
