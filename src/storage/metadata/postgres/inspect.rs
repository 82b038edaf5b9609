//! A look at the database that changes nothing: whether it answers, and of which schema it is.

use sqlx::{Connection, Row};

use super::connections::connect;
use super::error::failed;
use super::open::{MIGRATIONS, PostgresOptions};
use crate::storage::StorageError;
use crate::storage::metadata::Inspection;

/// Looks at the database without creating or migrating anything. What the server's own tools find damaged is theirs to tell.
///
/// Errors: those of opening it.
pub(crate) async fn inspect(options: PostgresOptions) -> Result<Inspection, StorageError> {
    let mut connection = connect(&options.once()).await.map_err(failed)?;
    let schema = sqlx::raw_sql("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await;
    let schema = schema.ok().and_then(|row| row.try_get::<Option<i64>, _>(0).ok().flatten());
    connection.close().await.map_err(failed)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    Ok(Inspection { schema, known, faults: Vec::new() })
}
