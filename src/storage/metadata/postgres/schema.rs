//! The steps of the schema on a server: one node holds a lock in the transaction of a step, which any pooler passes on, while others wait.

use std::sync::LazyLock;

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::error::{failed, is_in_the_way};
use crate::storage::StorageError;
use crate::storage::metadata::migration::{
    Applied, CONTRACTED, EXPANDED, Schema, Step, Stepped, Steps, applied, migration_error,
};
use crate::storage::metadata::sql::{BEGIN, FLOOR, RAISE_FLOOR};

/// The steps of this version.
pub(in crate::storage::metadata) static STEPS: LazyLock<Steps> = LazyLock::new(|| {
    Steps::new(
        sqlx::migrate!("src/storage/metadata/postgres/migrations"),
        sqlx::migrate!("src/storage/metadata/postgres/finalize"),
    )
});

/// The node that carries out a step holds this table. No lock is waited for longer than this, because others queue up behind one that is
/// waited for.
const LOCK: &str = "SET LOCAL lock_timeout = '2s';
    CREATE TABLE IF NOT EXISTS migration_lock (id BIGINT PRIMARY KEY);
    LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE";
/// A statement that the migrator has prepared stays in the connection of a pooler, and would be in the way of the next one of its name.
const FORGET: &str = "DEALLOCATE ALL";
const HAS_TABLES: &str = "SELECT to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL";

/// A database whose schema is brought up to date.
pub(in crate::storage::metadata) struct PostgresSchema<'c>(pub(in crate::storage::metadata) &'c mut PgConnection);

impl Schema for PostgresSchema<'_> {
    async fn applied(&mut self) -> Result<Applied, StorageError> {
        let mut transaction = self.0.begin().await.map_err(failed)?;
        forget(&mut transaction).await?;
        let found = look(&mut transaction).await?;
        forget(&mut transaction).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(found)
    }

    async fn carry_out(&mut self, step: Step, steps: &Steps) -> Result<Stepped, StorageError> {
        let mut transaction = self.0.begin().await.map_err(failed)?;
        forget(&mut transaction).await?;
        let changed = match sqlx::raw_sql(LOCK).execute(&mut *transaction).await {
            Ok(_) => change(&mut transaction, step, steps).await?,
            Err(error) => Err(error),
        };
        match changed {
            Ok(()) => {
                forget(&mut transaction).await?;
                transaction.commit().await.map_err(failed)?;
                Ok(Stepped::Done)
            }
            Err(error) if is_in_the_way(&error) => {
                transaction.rollback().await.map_err(failed)?;
                Ok(Stepped::Held(error.to_string()))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

async fn forget(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::raw_sql(FORGET).execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Within a transaction that has the lock. The inner error is one of the database, which may pass.
async fn change(
    connection: &mut PgConnection,
    step: Step,
    steps: &Steps,
) -> Result<Result<(), sqlx::Error>, StorageError> {
    if !look(connection).await?.misses(step, steps) {
        return Ok(Ok(()));
    }
    let changed = match step {
        Step::Create => create(connection, steps).await,
        Step::Expand(version) => run(&steps.expand, Some(version), connection).await,
        Step::Contract(version) => match run(&steps.contract, Some(version), connection).await {
            Ok(()) => raise_floor(connection, version).await,
            error => error,
        },
    };
    match changed {
        Err(sqlx::Error::Migrate(error)) => Err(migration_error(*error)),
        changed => Ok(changed),
    }
}

async fn create(connection: &mut PgConnection, steps: &Steps) -> Result<(), sqlx::Error> {
    run(&steps.expand, None, connection).await?;
    let instance = Uuid::new_v4().to_string();
    sqlx::query(BEGIN).bind(instance).execute(&mut *connection).await?;
    run(&steps.contract, None, connection).await?;
    raise_floor(connection, steps.contract.iter().map(|step| step.version).max().unwrap_or_default()).await
}

/// What the database said of a step comes out as such.
async fn run(migrator: &Migrator, to: Option<i64>, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    use sqlx::migrate::MigrateError;
    migrator.run_direct(to, connection, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if is_in_the_way(&error) => error,
        error => error.into(),
    })
}

async fn raise_floor(connection: &mut PgConnection, schema: i64) -> Result<(), sqlx::Error> {
    let raise = sqlx::query(RAISE_FLOOR).bind(schema).bind(env!("CARGO_PKG_VERSION"));
    raise.execute(connection).await.map(|_| ())
}

/// What the database has of the steps.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Applied, StorageError> {
    let tables = sqlx::query_as(HAS_TABLES).bind(EXPANDED).bind(CONTRACTED);
    let tables: (bool, bool) = tables.fetch_one(&mut *connection).await.map_err(failed)?;
    let (expanded, contracted) = applied(connection, tables).await?;
    let mut found = Applied { expanded, contracted, ..Applied::default() };
    if found.has_floor() {
        let floor = sqlx::query_as(FLOOR).fetch_optional(connection).await.map_err(failed)?;
        found.floor = floor.unwrap_or_default();
    }
    Ok(found)
}
