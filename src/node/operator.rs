//! What a command of the operator does in an initialised data directory, with the server running or stopped.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::data_directory::DataDirectory;
use super::secrets;
use super::shared::RegistryFiles;
use super::stores::open_metadata;
use crate::admin::Administration;
use crate::auth::AdminPermit;
use crate::config::Config;
use crate::domain::Clock;
use crate::storage::metadata::Metadata;

/// Runs `work` with the metadata store, which is closed afterwards. The clock follows the store's from then on.
pub(crate) async fn with_metadata_and_clock<T>(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    work: impl AsyncFnOnce(Arc<dyn Metadata>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let metadata = open_metadata(config, clock).await?;
    let result = match require_first_start_done(config, data, &*metadata).await {
        Ok(()) => work(Arc::clone(&metadata)).await,
        Err(error) => Err(error),
    };
    let closed = metadata.close().await;
    let value = result?;
    closed?;
    Ok(value)
}

/// Refuses a registry without an administrator: an interrupted first start has made a database, but not that.
async fn require_first_start_done(
    config: &Config,
    data: &DataDirectory,
    metadata: &dyn Metadata,
) -> anyhow::Result<()> {
    match &config.database.url {
        None => data.require_first_start_done(metadata).await,
        Some(url) if metadata.is_new().await? => {
            bail!(
                "the registry in the database {url} is not initialised: run `portcullis init`, or `portcullis serve` on a node, first"
            )
        }
        Some(_) => Ok(()),
    }
}

/// Runs `work` with the files of the registry's certificates, wherever they are, and what else a change of them needs.
pub(crate) async fn with_files<T>(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    work: impl AsyncFnOnce(&RegistryFiles) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if !config.database.is_shared() {
        return work(&RegistryFiles::Own(data.clone())).await;
    }
    with_metadata_and_clock(config, data, clock, async |metadata| {
        let data_key = secrets::data_key(config, data, &*metadata).await?;
        work(&RegistryFiles::of_command(config, data, &metadata, &data_key)).await
    })
    .await
}

/// Runs `work` as the operator, whom the file system allows to write in the data directory.
pub(crate) async fn administer<T>(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    work: impl AsyncFnOnce(&Administration, &AdminPermit) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let path = data.path().display();
    let permit = AdminPermit::local_operator(data.open()?)
        .with_context(|| format!("cannot write in {path}: run this as its owner or as root"))?;
    with_metadata_and_clock(config, data, clock, async |metadata| {
        let administration = Administration::new(metadata, config.auth.clone(), config.trash.clone(), clock.clone());
        work(&administration, &permit).await
    })
    .await
}
