//! What a command of the operator does in an initialised data directory, with the server running or stopped.

use std::sync::Arc;

use anyhow::Context as _;

use super::data_directory::DataDirectory;
use super::stores::open_metadata;
use crate::admin::Administration;
use crate::auth::AdminPermit;
use crate::config::Config;
use crate::domain::Clock;
use crate::storage::metadata::Metadata;

/// Runs `work` with the metadata store, which is closed afterwards.
pub(crate) async fn with_metadata<T>(
    config: &Config,
    data: &DataDirectory,
    work: impl AsyncFnOnce(Arc<dyn Metadata>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    with_metadata_and_clock(config, data, &Clock::system(), work).await
}

/// The same by this clock, which follows the store's.
async fn with_metadata_and_clock<T>(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    work: impl AsyncFnOnce(Arc<dyn Metadata>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let metadata = open_metadata(config, clock).await?;
    let result = match data.require_first_start_done(&*metadata).await {
        Ok(()) => work(Arc::clone(&metadata)).await,
        Err(error) => Err(error),
    };
    let closed = metadata.close().await;
    let value = result?;
    closed?;
    Ok(value)
}

/// Runs `work` as the operator, whom the file system allows to write in the data directory.
pub(crate) async fn administer<T>(
    config: &Config,
    data: &DataDirectory,
    work: impl AsyncFnOnce(&Administration, &AdminPermit) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let path = data.path().display();
    let permit = AdminPermit::local_operator(data.open()?)
        .with_context(|| format!("cannot write in {path}: run this as its owner or as root"))?;
    let clock = Clock::system();
    with_metadata_and_clock(config, data, &clock, async |metadata| {
        let administration = Administration::new(metadata, config.auth.clone(), clock.clone());
        work(&administration, &permit).await
    })
    .await
}
