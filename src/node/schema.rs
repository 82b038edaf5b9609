//! The schema of the database, for the commands that show, upgrade and finalize it.

use std::path::PathBuf;

use anyhow::bail;

use super::data_directory::DataDirectory;
use super::stores;
use crate::config::Config;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::coordination::SILENT;
use crate::storage::metadata::SchemaStatus;
use crate::storage::metadata::sqlite::{DatabaseCopies, DatabaseCopy};

/// The schema of a database, and the copies that were made before it was changed.
pub(crate) struct SchemaReport {
    /// The database's file or address.
    pub(crate) database: String,
    pub(crate) schema: SchemaStatus,
    pub(crate) copies: Vec<DatabaseCopy>,
}

/// Looks at the schema without changing anything. `idle` says that no process has the database open.
pub(crate) async fn schema_report(config: &Config, idle: bool) -> Result<SchemaReport, StorageError> {
    let schema = stores::inspect_schema(config, idle).await?;
    let copies = database_copies(config).map(|copies| copies.list()).transpose()?;
    Ok(SchemaReport { database: database(config), schema, copies: copies.unwrap_or_default() })
}

/// Where the database is, as an operator knows it.
pub(crate) fn database(config: &Config) -> String {
    let file = || DataDirectory::at(&config.data_dir).database().display().to_string();
    config.database.url.as_ref().map_or_else(file, ToString::to_string)
}

/// Brings the schema up to date, as the next start would. Returns the steps that were missing.
pub(crate) async fn upgrade(config: &Config) -> Result<Vec<String>, StorageError> {
    stores::migrate_metadata(config, &Clock::system()).await
}

/// Removes what only older versions need. Returns the steps that were missing. Refused while a node of another version serves.
pub(crate) async fn finalize(config: &Config) -> anyhow::Result<Vec<String>> {
    let clock = Clock::system();
    let metadata = stores::open_metadata(config, &clock).await?;
    let nodes = metadata.nodes().await;
    metadata.close().await?;
    let since = clock.seconds() - i64::try_from(SILENT.as_secs()).unwrap_or(i64::MAX);
    if let Some(other) = nodes?.iter().find(|node| node.version != env!("CARGO_PKG_VERSION") && node.seen_at >= since) {
        bail!(
            "the node at {} runs version {}, and this is {}: upgrade or stop it first; nothing changed (see `portcullis cluster status`)",
            other.address,
            other.version,
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(stores::finalize_metadata(config, &clock).await?)
}

/// The copies of the database, if it is a file.
pub(super) fn database_copies(config: &Config) -> Option<DatabaseCopies> {
    let file: PathBuf = DataDirectory::at(&config.data_dir).database();
    config.database.url.is_none().then(|| DatabaseCopies::of(&file))
}
