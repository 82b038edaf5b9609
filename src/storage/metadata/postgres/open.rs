//! Connecting: the schema is brought to this version's by one process while others wait, and refused where this version is too old for it.

use std::sync::Arc;

use sqlx::Connection;

use super::connections::{Connections, connect};
use super::error::failed;
use super::schema::{PostgresSchema, STEPS};
use super::{PostgresEngine, PostgresOptions};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::coordination::Nodes;
use crate::storage::metadata::Metadata;
use crate::storage::metadata::migration::{expand, finalize as contract};
use crate::storage::metadata::sql::SqlMetadata;

/// Connections of a node for each core, and how many at most.
const CONNECTIONS_PER_CORE: u32 = 4;
const MOST_CONNECTIONS: u32 = 32;

/// Opens the database and brings its schema up to date. Several processes may have it open at the same time. Leases and expiry are judged
/// by `clock`, which follows the server's from now on.
///
/// Errors: [`StorageError::Unavailable`] where the server cannot be reached, [`StorageError::Failed`] where it refuses, or where a newer
/// version of this program has finalized the database.
pub async fn open(options: PostgresOptions, clock: Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    migrate(&options, &clock).await?;
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let limit = (CONNECTIONS_PER_CORE * cores).min(MOST_CONNECTIONS);
    let connections = Arc::new(Connections::new(options.cached(), limit, clock.clone())?);
    let store = SqlMetadata::new(PostgresEngine { connections, pooler: options.pooler }, clock);
    store.follow_shared_clock().await?;
    Ok(Arc::new(store))
}

/// Brings the schema up to date as [`open`] does, and tells the steps that were missing.
pub(crate) async fn migrate(options: &PostgresOptions, clock: &Clock) -> Result<Vec<String>, StorageError> {
    let mut connection = connect(&options.once()).await.map_err(failed)?;
    let done = expand(&mut PostgresSchema(&mut connection), &STEPS, clock).await?;
    connection.close().await.map_err(failed)?;
    Ok(done)
}

/// Removes from the schema what only older versions need, and tells the steps.
pub(crate) async fn finalize(options: &PostgresOptions, clock: &Clock) -> Result<Vec<String>, StorageError> {
    let mut connection = connect(&options.once()).await.map_err(failed)?;
    let done = contract(&mut PostgresSchema(&mut connection), &STEPS, clock).await?;
    connection.close().await.map_err(failed)?;
    Ok(done)
}
