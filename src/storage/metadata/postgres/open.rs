//! Connecting: the schema is brought to this version's by one process while others wait, and refused where this version is too old for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection, PgConnection};

use super::PostgresEngine;
use super::error::failed;
use super::schema::{PostgresSchema, STEPS};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::coordination::Nodes;
use crate::storage::metadata::Metadata;
use crate::storage::metadata::migration::{expand, finalize as contract};
use crate::storage::metadata::sql::SqlMetadata;

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

    /// For a connection that is used once.
    pub(in crate::storage::metadata) fn once(&self) -> PgConnectOptions {
        self.connect.clone().statement_cache_capacity(0)
    }

    /// With the statements that a connection keeps: none where each transaction may reach another one.
    fn cached(&self) -> PgConnectOptions {
        self.connect.clone().statement_cache_capacity(if self.pooler { 0 } else { STATEMENT_CACHE })
    }
}

fn is_this_machine(connect: &PgConnectOptions) -> bool {
    let host = connect.get_host();
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    connect.get_socket().is_some() || host.starts_with('/') || host == "localhost" || is_loopback
}

/// Opens the database and brings its schema up to date. Several processes may have it open at the same time. Leases and expiry are judged
/// by `clock`, which follows the server's from now on.
///
/// Errors: [`StorageError::Busy`] where the server cannot be reached, [`StorageError::Failed`] where it refuses, or where a newer version
/// of this program has finalized the database.
pub async fn open(options: PostgresOptions, clock: Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    migrate(&options, &clock).await?;
    let (connect, pooler) = (options.cached(), options.pooler);
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let pool = PgPoolOptions::new()
        .max_connections((CONNECTIONS_PER_CORE * cores).min(MOST_CONNECTIONS))
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .connect_lazy_with(connect);
    let store = SqlMetadata::new(PostgresEngine { pool, pooler }, clock);
    store.follow_shared_clock().await?;
    Ok(Arc::new(store))
}

/// Brings the schema up to date as [`open`] does, and tells the steps that were missing.
pub(crate) async fn migrate(options: &PostgresOptions, clock: &Clock) -> Result<Vec<String>, StorageError> {
    let mut connection = PgConnection::connect_with(&options.once()).await.map_err(failed)?;
    let done = expand(&mut PostgresSchema(&mut connection), &STEPS, clock).await?;
    connection.close().await.map_err(failed)?;
    Ok(done)
}

/// Removes from the schema what only older versions need, and tells the steps.
pub(crate) async fn finalize(options: &PostgresOptions, clock: &Clock) -> Result<Vec<String>, StorageError> {
    let mut connection = PgConnection::connect_with(&options.once()).await.map_err(failed)?;
    let done = contract(&mut PostgresSchema(&mut connection), &STEPS, clock).await?;
    connection.close().await.map_err(failed)?;
    Ok(done)
}
