//! The steps of the schema in a file: another process is kept out by the lock of a write, and the file is copied aside first.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use sqlx::migrate::Migrator;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::copies::DatabaseCopies;
use super::error::{failed, is_busy};
use super::tables::snapshot;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::metadata::migration::{
    Applied, CONTRACTED, EXPANDED, Schema, Step, Stepped, Steps, applied, migration_error,
};
use crate::storage::metadata::sql::{BEGIN, FLOOR, RAISE_FLOOR};

/// The steps of this version.
pub(in crate::storage::metadata) static STEPS: LazyLock<Steps> = LazyLock::new(|| {
    Steps::new(
        sqlx::migrate!("src/storage/metadata/sqlite/migrations"),
        sqlx::migrate!("src/storage/metadata/sqlite/finalize"),
    )
});

/// The newest schema that this version knows, of every engine.
pub(crate) fn newest_schema() -> i64 {
    STEPS.known()
}

const HAS_TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1";

/// A file whose schema is brought up to date.
pub(in crate::storage::metadata) struct SqliteSchema<'c> {
    path: PathBuf,
    connection: &'c mut SqliteConnection,
    clock: Clock,
    is_copied: bool,
}

impl<'c> SqliteSchema<'c> {
    pub(in crate::storage::metadata) fn new(path: &Path, connection: &'c mut SqliteConnection, clock: Clock) -> Self {
        Self { path: path.to_owned(), connection, clock, is_copied: false }
    }
}

/// What the file is before the first step of several, for the operator who wants to return to it. The caller holds the lock of a write: no
/// one changes anything until the step is done.
async fn copy_aside(path: &Path, before: &Applied, clock: &Clock) -> Result<(), StorageError> {
    let schema = before.status(&STEPS).schema.unwrap_or_default();
    let (copies, database, now) = (DatabaseCopies::of(path), path.to_owned(), clock.now());
    let new = blocking(move || copies.prepare(schema, now, &database)).await?;
    snapshot(path, new.temporary()).await?;
    let kept = blocking(move || new.keep()).await?;
    tracing::info!(copy = %kept.display(), "copied the metadata database aside before its schema is changed");
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let ended =
        |error| StorageError::Failed { context: "copying the database aside".to_owned(), source: Arc::new(error) };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ended(error)))
}

/// Within a transaction.
async fn change(connection: &mut SqliteConnection, step: Step, steps: &Steps) -> Result<(), StorageError> {
    match step {
        Step::Create => {
            run(&steps.expand, None, connection).await?;
            let instance = Uuid::new_v4().to_string();
            sqlx::query(BEGIN).bind(instance).execute(&mut *connection).await.map_err(failed)?;
            run(&steps.contract, None, connection).await?;
            raise_floor(connection, steps.contract.iter().map(|step| step.version).max().unwrap_or_default()).await
        }
        Step::Expand(version) => run(&steps.expand, Some(version), connection).await,
        Step::Contract(version) => {
            run(&steps.contract, Some(version), connection).await?;
            raise_floor(connection, version).await
        }
    }
}

async fn raise_floor(connection: &mut SqliteConnection, schema: i64) -> Result<(), StorageError> {
    let raise = sqlx::query(RAISE_FLOOR).bind(schema).bind(env!("CARGO_PKG_VERSION"));
    raise.execute(connection).await.map_err(failed)?;
    Ok(())
}

async fn run(migrator: &Migrator, to: Option<i64>, connection: &mut SqliteConnection) -> Result<(), StorageError> {
    migrator.run_direct(to, connection, false).await.map_err(migration_error)
}

impl Schema for SqliteSchema<'_> {
    async fn applied(&mut self) -> Result<Applied, StorageError> {
        look(self.connection).await
    }

    async fn carry_out(&mut self, step: Step, steps: &Steps) -> Result<Stepped, StorageError> {
        let mut transaction = match self.connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction,
            Err(error) if is_busy(&error) => return Ok(Stepped::Held(error.to_string())),
            Err(error) => return Err(failed(error)),
        };
        let before = look(&mut transaction).await?;
        if before.misses(step, steps) {
            if step != Step::Create && !self.is_copied {
                copy_aside(&self.path, &before, &self.clock).await?;
                self.is_copied = true;
            }
            change(&mut transaction, step, steps).await?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(Stepped::Done)
    }
}

/// What the database has of the steps.
pub(super) async fn look(connection: &mut SqliteConnection) -> Result<Applied, StorageError> {
    let tables = (has_table(connection, EXPANDED).await?, has_table(connection, CONTRACTED).await?);
    let (expanded, contracted) = applied(connection, tables).await?;
    let mut found = Applied { expanded, contracted, ..Applied::default() };
    if found.has_floor() {
        let floor = sqlx::query_as(FLOOR).fetch_optional(connection).await.map_err(failed)?;
        found.floor = floor.unwrap_or_default();
    }
    Ok(found)
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StorageError> {
    let count: i64 = sqlx::query_scalar(HAS_TABLE).bind(name).fetch_one(connection).await.map_err(failed)?;
    Ok(count > 0)
}
