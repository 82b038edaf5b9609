//! Connecting: the schema is brought to this version's by one process while others wait, and refused where it is newer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::PostgresEngine;
use super::error::failed;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::metadata::Metadata;
use crate::storage::metadata::sql::{BEGIN, SqlMetadata};

pub(super) static MIGRATIONS: Migrator = Migrator {
    // The lock below, and not one of the session, which a pooler would leave behind.
    locking: false,
    ..sqlx::migrate!("src/storage/metadata/postgres/migrations")
};

/// The process that migrates holds this table until the schema is as it should be.
const LOCK: &str = "CREATE TABLE IF NOT EXISTS migration_lock (id BIGINT PRIMARY KEY);
    LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE";
/// Connections of a node for each core, and how many at most.
const CONNECTIONS_PER_CORE: u32 = 4;
const MOST_CONNECTIONS: u32 = 32;
/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// More statements than there are, so that each is parsed once per connection.
const STATEMENT_CACHE: usize = 200;

/// Which database, and how it is reached.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    pub(super) connect: PgConnectOptions,
    pooler: bool,
}

impl PostgresOptions {
    /// The database at `url` (`postgres://USER@HOST/DATABASE?sslmode=...`), with the password where the server asks for one. `pooler` says
    /// that a pooler stands between which hands each transaction to any of its connections. A server on another machine must prove its name
    /// by a certificate, unless the address says otherwise: passwords and keys travel there.
    pub fn new(url: &str, password: Option<&str>, pooler: bool) -> Result<Self, StorageError> {
        let mut connect: PgConnectOptions = url.parse().map_err(failed)?;
        if !url.contains("sslmode=") && !url.contains("ssl-mode=") && !is_this_machine(&connect) {
            connect = connect.ssl_mode(PgSslMode::VerifyFull);
        }
        if let Some(password) = password {
            connect = connect.password(password);
        }
        Ok(Self { connect: connect.application_name("portcullis"), pooler })
    }
}

fn is_this_machine(connect: &PgConnectOptions) -> bool {
    let host = connect.get_host();
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    connect.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback
}

/// Opens the database and brings its schema up to date. Several processes may have it open at the same time. Leases and expiry are judged
/// by `clock`.
///
/// Errors: [`StorageError::Busy`] where the server cannot be reached, [`StorageError::Failed`] where it refuses, or where a newer version
/// of this program wrote the database.
pub async fn open(options: PostgresOptions, clock: Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    let PostgresOptions { connect, pooler } = options;
    let connect = connect.statement_cache_capacity(if pooler { 0 } else { STATEMENT_CACHE });
    let mut connection = PgConnection::connect_with(&connect).await.map_err(failed)?;
    migrate(&mut connection).await?;
    connection.close().await.map_err(failed)?;
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let pool = PgPoolOptions::new()
        .max_connections((CONNECTIONS_PER_CORE * cores).min(MOST_CONNECTIONS))
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .connect_lazy_with(connect);
    Ok(Arc::new(SqlMetadata::new(PostgresEngine { pool, pooler }, clock)))
}

/// In one transaction that excludes other processes: the schema is there as a whole or not at all.
async fn migrate(connection: &mut PgConnection) -> Result<(), StorageError> {
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::raw_sql(LOCK).execute(&mut *transaction).await.map_err(failed)?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(migration_error)?;
    let instance = Uuid::new_v4().to_string();
    sqlx::query(BEGIN).bind(instance).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

fn migration_error(error: MigrateError) -> StorageError {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let context = match &error {
        MigrateError::VersionMissing(found) => format!(
            "a newer version of this program wrote the metadata database (schema {found}, this one knows up to {known}); start that \
             version, or restore a backup made before the upgrade"
        ),
        _ => format!("bringing the metadata database up to schema {known}"),
    };
    StorageError::Failed { context, source: Arc::new(error) }
}
