//! What every command has: the configuration in force, the data directory, a runtime to wait on.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::output;
use crate::config::{Config, ConfigErrors, ConfigFile, Environment, Loaded, Overrides};
use crate::domain::Clock;
use crate::node::data_directory::DataDirectory;
use crate::node::owner::act_as_owner;
use crate::storage::metadata::{Metadata, sqlite};

/// The flags of every command. Their environment variables are read by the configuration, which tells flag and variable apart.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// The data directory [environment: `PORTCULLIS_DATA`]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file [environment: `PORTCULLIS_CONFIG`]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Where a command runs.
pub(crate) struct Context {
    overrides: Overrides,
    environment: Environment,
    file: Option<ConfigFile>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        let overrides = Overrides { config: global.config, data: global.data, ..Overrides::default() };
        let environment = Environment::of_process();
        let file = ConfigFile::read(&overrides, &environment);
        Self { overrides, environment, file }
    }

    /// Tells what looks like a setting and sets nothing.
    pub(crate) fn warn(&self) {
        for warning in self.load().map(|loaded| loaded.warnings).unwrap_or_default() {
            output::warn(&warning);
        }
    }

    /// The configuration, with the flags of the command on top.
    pub(crate) fn load_with(&self, adjust: impl FnOnce(&mut Overrides)) -> anyhow::Result<Loaded> {
        let mut overrides = self.overrides.clone();
        adjust(&mut overrides);
        Ok(Config::load_from(self.file.as_ref(), &overrides, &self.environment)?)
    }

    /// The configuration, or every error in it.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load_from(self.file.as_ref(), &self.overrides, &self.environment)
    }

    /// What flags, variables and defaults say, or flags and defaults alone: for looking around although the file is wrong.
    pub(crate) fn without_its_file(&self) -> Option<Config> {
        let parse = |environment: &Environment| Config::parse(Path::new(""), b"", &self.overrides, environment);
        let loaded = parse(&self.environment).or_else(|_| parse(&Environment::default()));
        loaded.ok().map(|loaded| loaded.config)
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(self.load_with(|_| ())?.config)
    }

    /// The data directory, which must have been initialised. Root acts as its owner from here on: what only root may read is to be
    /// read before.
    pub(crate) fn data_directory(&self) -> anyhow::Result<DataDirectory> {
        let data = DataDirectory::at(&self.config()?.data_dir);
        act_as_owner(data.path())?;
        data.require_initialised()?;
        Ok(data)
    }

    /// Runs `work` with the data directory's database.
    pub(crate) fn with_metadata<T, F: Future<Output = anyhow::Result<T>>>(
        &self,
        work: impl FnOnce(Arc<dyn Metadata>) -> F,
    ) -> anyhow::Result<T> {
        let data = self.data_directory()?;
        let path = data.database();
        block_on(async {
            let metadata = sqlite::open(&path, Clock::system()).await?;
            let result = match data.require_first_start_done(&*metadata).await {
                Ok(()) => work(Arc::clone(&metadata)).await,
                Err(error) => Err(error),
            };
            let closed = metadata.close().await;
            let value = result?;
            closed?;
            Ok(value)
        })
    }
}

/// Waits for `work` on a runtime that is left behind at once: a resolver that outlives its limit shall not hold the program back. Not
/// for work that leaves something to be finished.
pub(crate) fn block_on_and_leave<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the asynchronous runtime")?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}

/// Waits for `work` on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(work)
}
