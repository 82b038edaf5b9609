//! What a database has of the steps, and whether this program may work with it.

use std::sync::Arc;

use sqlx::migrate::{AppliedMigration, MigrateError, Migration, Migrator};

use super::{FLOOR_SINCE, Step, Steps};
use crate::storage::StorageError;

/// What a database has of the steps.
#[derive(Debug, Default)]
pub(in crate::storage::metadata) struct Applied {
    pub(in crate::storage::metadata) expanded: Vec<AppliedMigration>,
    pub(in crate::storage::metadata) contracted: Vec<AppliedMigration>,
    /// `meta.min_schema` and `meta.min_version`.
    pub(in crate::storage::metadata) floor: (i64, String),
}

/// The schema of a database, as an operator is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchemaStatus {
    /// The number of its last migration; `None` where it has none: it is new, or not of this program.
    pub(crate) schema: Option<i64>,
    /// The newest schema that this program knows.
    pub(crate) known: i64,
    /// The expanding steps that the next start carries out.
    pub(crate) pending: Vec<String>,
    /// The contracting steps that `portcullis migrate finalize` carries out.
    pub(crate) to_finalize: Vec<String>,
    /// Steps that a newer version has carried out.
    pub(crate) unknown: Vec<i64>,
    /// Programs that know no schema as high as this are refused.
    pub(crate) min_schema: i64,
    /// The version that said so; empty where none did.
    pub(crate) min_version: String,
}

impl SchemaStatus {
    /// Whether this program is too old for the database.
    pub(crate) fn refuses(&self) -> bool {
        self.min_schema > self.known
    }
}

impl Applied {
    /// Whether nothing was ever made here.
    pub(super) fn is_new(&self) -> bool {
        self.expanded.is_empty()
    }

    /// Whether `meta` tells which programs may work here.
    pub(in crate::storage::metadata) fn has_floor(&self) -> bool {
        self.expanded.iter().any(|step| step.version == FLOOR_SINCE)
    }

    /// The expanding steps that are missing, in order.
    pub(super) fn missing<'s>(&self, steps: &'s Steps) -> impl Iterator<Item = &'s Migration> {
        missing(&steps.expand, &self.expanded)
    }

    /// The contracting steps that are missing, in order.
    pub(super) fn to_finalize<'s>(&self, steps: &'s Steps) -> impl Iterator<Item = &'s Migration> {
        missing(&steps.contract, &self.contracted)
    }

    /// Whether this step still has to be carried out.
    pub(in crate::storage::metadata) fn misses(&self, step: Step, steps: &Steps) -> bool {
        match step {
            Step::Create => self.is_new(),
            Step::Expand(version) => self.missing(steps).any(|missing| missing.version == version),
            Step::Contract(version) => self.to_finalize(steps).any(|missing| missing.version == version),
        }
    }

    /// In the operator's terms.
    pub(in crate::storage::metadata) fn status(&self, steps: &Steps) -> SchemaStatus {
        let unknown = self.expanded.iter().map(|step| step.version);
        SchemaStatus {
            schema: self.expanded.iter().map(|step| step.version).max(),
            known: steps.known(),
            pending: self.missing(steps).map(label).collect(),
            to_finalize: self.to_finalize(steps).map(label).collect(),
            unknown: unknown.filter(|version| !steps.expand.version_exists(*version)).collect(),
            min_schema: self.floor.0,
            min_version: self.floor.1.clone(),
        }
    }

    /// Refuses a database that needs a newer program, and one that other steps made than those of the same numbers here.
    pub(super) fn check(&self, steps: &Steps) -> Result<(), StorageError> {
        let status = self.status(steps);
        if status.refuses() {
            let refusal = Refusal { min: status.min_schema, version: status.min_version, known: status.known };
            return Err(failed("a newer version of this program finalized the metadata database", refusal));
        }
        for (migrator, applied) in [(&steps.expand, &self.expanded), (&steps.contract, &self.contracted)] {
            let differs = applied.iter().find(|step| {
                migrator.iter().any(|known| known.version == step.version && known.checksum != step.checksum)
            });
            if let Some(step) = differs {
                return Err(migration_error(MigrateError::VersionMismatch(step.version)));
            }
        }
        Ok(())
    }
}

fn missing<'s>(migrator: &'s Migrator, applied: &[AppliedMigration]) -> impl Iterator<Item = &'s Migration> {
    let has = |version| applied.iter().any(|step| step.version == version);
    let missing: Vec<&Migration> = migrator.iter().filter(|step| !has(step.version)).collect();
    missing.into_iter()
}

/// As in the name of its file.
pub(super) fn label(step: &Migration) -> String {
    format!("{:04} {}", step.version, step.description)
}

/// Why this program may not work with a database.
#[derive(Debug, thiserror::Error)]
#[error(
    "it needs version {version}, or another one that knows schema {min}; this one knows schemas up to {known}: start that version, or \
     return to a backup made before `portcullis migrate finalize`"
)]
struct Refusal {
    min: i64,
    version: String,
    known: i64,
}

/// A step that could not be carried out.
pub(in crate::storage::metadata) fn migration_error(error: MigrateError) -> StorageError {
    failed("bringing the schema of the metadata database up to date", error)
}

fn failed(context: &str, error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Failed { context: context.to_owned(), source: Arc::new(error) }
}
