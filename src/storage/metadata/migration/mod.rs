//! Bringing the schema of a database up to date while nodes of another version work on it.
//!
//! # The rules of a migration
//!
//! `migrations/` only *expands*: new tables, new columns with a default, new indexes. What it leaves can be read and written by the version
//! before as well, so that both run at the same time, and one can go back to the version before. The node that starts first carries them
//! out; a program that finds steps which it does not know continues to work.
//!
//! `finalize/` *contracts*: it removes what no program needs that knows the migration of the same number. Only `portcullis migrate
//! finalize` carries it out, once every node runs the new version. It raises `meta.min_schema` to that number in the same transaction, and
//! from then on a program that knows less refuses to open the database. A new database has nothing to keep, so it is finalized at once.
//! An expanding step that the version before last cannot live with raises `meta.min_schema` itself.
//!
//! Each step is one transaction together with the row that says that it was done: it is done or it is not, and what was interrupted
//! continues with the step that is missing. A step that has been released never changes (its checksum is compared). Both engines have the
//! same numbers, and the same columns result. An index that takes long to build is not built in a step, which would keep writers waiting:
//! `CREATE INDEX CONCURRENTLY IF NOT EXISTS` in PostgreSQL runs outside of a transaction, as a job of the node that has its lease, which
//! drops an index that is invalid because it was interrupted (`pg_index.indisvalid`) and builds it again; statements that need it
//! come with the version after. No schema up to now has needed that.

mod driver;
mod status;
#[cfg(test)]
mod tests;

use sqlx::migrate::{AppliedMigration, Migrate, Migrator};

pub(super) use self::driver::{Schema, Step, Stepped, expand, finalize};
pub(crate) use self::status::SchemaStatus;
pub(super) use self::status::{Applied, migration_error};
use crate::storage::StorageError;

/// Where it is written which contracting steps were carried out.
pub(super) const CONTRACTED: &str = "_sqlx_finalizations";
/// Where it is written which expanding steps were carried out.
pub(super) const EXPANDED: &str = "_sqlx_migrations";
/// The migration that gave `meta` its `min_schema`.
const FLOOR_SINCE: i64 = 13;

/// All steps of one engine.
pub(super) struct Steps {
    pub(super) expand: Migrator,
    pub(super) contract: Migrator,
}

impl Steps {
    /// Of these directories. Steps of newer versions are left alone, and what excludes other nodes is up to the engine.
    pub(super) fn new(mut expand: Migrator, mut contract: Migrator) -> Self {
        contract.dangerous_set_table_name(CONTRACTED);
        for migrator in [&mut expand, &mut contract] {
            migrator.set_ignore_missing(true).set_locking(false);
        }
        Self { expand, contract }
    }

    /// The newest schema that this program knows.
    pub(super) fn known(&self) -> i64 {
        newest(&self.expand)
    }
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|step| step.version).max().unwrap_or_default()
}

/// Which steps a database has, where it has the tables that say so.
pub(super) async fn applied<C: Migrate>(
    connection: &mut C,
    (expanded, contracted): (bool, bool),
) -> Result<(Vec<AppliedMigration>, Vec<AppliedMigration>), StorageError> {
    let mut found = (Vec::new(), Vec::new());
    if expanded {
        found.0 = connection.list_applied_migrations(EXPANDED).await.map_err(migration_error)?;
    }
    if contracted {
        found.1 = connection.list_applied_migrations(CONTRACTED).await.map_err(migration_error)?;
    }
    Ok(found)
}
