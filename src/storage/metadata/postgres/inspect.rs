//! A look at the database that changes nothing: whether it answers, and of which schema it is.

use sqlx::Connection;

use super::connections::connect;
use super::error::failed;
use super::options::PostgresOptions;
use super::schema::{PostgresSchema, STEPS};
use crate::storage::StorageError;
use crate::storage::metadata::migration::Schema;
use crate::storage::metadata::sql::LAST_EPOCH;
use crate::storage::metadata::{Inspection, SchemaStatus};

/// Looks at the database without creating or migrating anything. What the server's own tools find damaged is theirs to tell.
///
/// Errors: those of opening it.
pub(crate) async fn inspect(options: PostgresOptions) -> Result<Inspection, StorageError> {
    Ok(Inspection { schema: schema(&options).await?, faults: Vec::new() })
}

/// Whether no registry was ever made in the database; it is neither created nor migrated.
pub(crate) async fn is_new(options: &PostgresOptions) -> Result<bool, StorageError> {
    let mut connection = connect(&options.once()).await.map_err(failed)?;
    let is_empty = PostgresSchema(&mut connection).applied().await?.expanded.is_empty();
    let last_epoch = sqlx::query_scalar::<_, i64>(LAST_EPOCH).persistent(false);
    let last_epoch = if is_empty { None } else { last_epoch.fetch_optional(&mut connection).await.map_err(failed)? };
    connection.close().await.map_err(failed)?;
    Ok(last_epoch.is_none_or(|epoch| epoch == 0))
}

/// The schema of the database, without creating or migrating anything.
pub(crate) async fn schema(options: &PostgresOptions) -> Result<SchemaStatus, StorageError> {
    let mut connection = connect(&options.once()).await.map_err(failed)?;
    let applied = PostgresSchema(&mut connection).applied().await?;
    connection.close().await.map_err(failed)?;
    Ok(applied.status(&STEPS))
}
