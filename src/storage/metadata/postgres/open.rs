//! Connecting: the schema is brought to this version's by one process while others wait, and refused where it is newer.

use std::net::IpAddr;
use std::sync::Arc;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::PostgresEngine;
use super::connections::{Connections, connect};
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
/// The statements that the migrator has named: behind a pooler the next one finds others under these names.
const FORGET: &str = "DEALLOCATE ALL";
/// Connections of a node for each core, and how many at most.
const CONNECTIONS_PER_CORE: u32 = 4;
const MOST_CONNECTIONS: u32 = 32;
/// What the server does where it is not asked through a pooler, which passes no settings on: a statement does not take for ever, and a
/// transaction whose node is gone does not hold its locks.
const LIMITS: [(&str, &str); 2] = [("statement_timeout", "60s"), ("idle_in_transaction_session_timeout", "10s")];
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
        if !is_this_machine(&connect) {
            connect = protected(connect, url.contains("sslmode=") || url.contains("ssl-mode="));
        }
        if let Some(password) = password {
            connect = connect.password(password);
        }
        if !pooler {
            connect = connect.options(LIMITS);
        }
        // Poolers refuse what they do not know, and nothing here is a fraction.
        Ok(Self { connect: connect.application_name("portcullis").extra_float_digits(None), pooler })
    }

    /// For a connection that is used once.
    pub(super) fn once(&self) -> PgConnectOptions {
        self.connect.clone().statement_cache_capacity(0)
    }

    /// With the statements that a connection keeps: none where each transaction may reach another one.
    fn cached(&self) -> PgConnectOptions {
        self.connect.clone().statement_cache_capacity(if self.pooler { 0 } else { STATEMENT_CACHE })
    }
}

/// To another machine: with a server that proves its name, unless the operator has decided otherwise.
fn protected(connect: PgConnectOptions, is_chosen: bool) -> PgConnectOptions {
    let mode = connect.get_ssl_mode();
    if !is_chosen {
        return connect.ssl_mode(PgSslMode::VerifyFull);
    }
    if !matches!(mode, PgSslMode::VerifyFull) {
        tracing::warn!(
            host = connect.get_host(),
            ?mode,
            "the database server does not prove its name: passwords and keys go to any machine that answers there; \
             sslmode=verify-full in database.url checks it"
        );
    }
    connect
}

fn is_this_machine(connect: &PgConnectOptions) -> bool {
    let host = connect.get_host();
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    connect.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback
}

/// Opens the database and brings its schema up to date. Several processes may have it open at the same time. Leases and expiry are judged
/// by `clock`.
///
/// Errors: [`StorageError::Unavailable`] where the server cannot be reached, [`StorageError::Failed`] where it refuses, or where a newer version
/// of this program wrote the database.
pub async fn open(options: PostgresOptions, clock: Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    let mut connection = connect(&options.once()).await.map_err(failed)?;
    migrate(&mut connection).await?;
    connection.close().await.map_err(failed)?;
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let limit = (CONNECTIONS_PER_CORE * cores).min(MOST_CONNECTIONS);
    let connections = Arc::new(Connections::new(options.cached(), limit, clock.clone()));
    Ok(Arc::new(SqlMetadata::new(PostgresEngine { connections, pooler: options.pooler }, clock)))
}

/// In one transaction that excludes other processes: the schema is there as a whole or not at all.
async fn migrate(connection: &mut PgConnection) -> Result<(), StorageError> {
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::raw_sql(FORGET).execute(&mut *transaction).await.map_err(failed)?;
    sqlx::raw_sql(LOCK).execute(&mut *transaction).await.map_err(failed)?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(migration_error)?;
    let instance = Uuid::new_v4().to_string();
    sqlx::query(BEGIN).persistent(false).bind(instance).execute(&mut *transaction).await.map_err(failed)?;
    sqlx::raw_sql(FORGET).execute(&mut *transaction).await.map_err(failed)?;
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
