//! What every command has: the configuration in force, the data directory, and a runtime.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::output;
use crate::admin::Administration;
use crate::auth::AdminPermit;
use crate::config::{Config, ConfigErrors, ConfigFile, Environment, Loaded, Overrides};
use crate::domain::Clock;
use crate::node::data_directory::DataDirectory;
use crate::node::operator;
use crate::node::owner::act_as_owner;

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

/// The flags, environment and configuration file that a command runs with.
pub(crate) struct Context {
    overrides: Overrides,
    environment: Environment,
    file: Option<ConfigFile>,
    clock: Clock,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        let overrides = Overrides { config: global.config, data: global.data, ..Overrides::default() };
        let environment = Environment::of_process();
        let file = ConfigFile::read(&overrides, &environment);
        Self { overrides, environment, file, clock: Clock::system() }
    }

    /// The one clock of the command: of the database, once one that nodes share has been opened.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Warns of environment variables that look like settings and set nothing.
    pub(crate) fn warn(&self) {
        for warning in self.load().map(|loaded| loaded.warnings).unwrap_or_default() {
            output::warn(&warning);
        }
    }

    /// The configuration, overridden by the flags of the command.
    pub(crate) fn load_with(&self, adjust: impl FnOnce(&mut Overrides)) -> anyhow::Result<Loaded> {
        let mut overrides = self.overrides.clone();
        adjust(&mut overrides);
        Ok(Config::load_from(self.file.as_ref(), &overrides, &self.environment)?)
    }

    /// The configuration, or every error in it.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load_from(self.file.as_ref(), &self.overrides, &self.environment)
    }

    /// What flags, variables and defaults say, or flags and defaults alone: for checks that run although the file is invalid.
    pub(crate) fn without_its_file(&self) -> Option<Config> {
        let parse = |environment: &Environment| Config::parse(Path::new(""), b"", &self.overrides, environment);
        let loaded = parse(&self.environment).or_else(|_| parse(&Environment::default()));
        loaded.ok().map(|loaded| loaded.config)
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(self.load_with(|_| ())?.config)
    }

    /// The data directory, which must have been initialised. Root acts as its owner from here on: files that only root can read must be
    /// read before.
    ///
    /// Where the registry is in a database that nodes share, this is where the command works, and is made if it is missing.
    pub(crate) fn data_directory(&self) -> anyhow::Result<DataDirectory> {
        let config = self.config()?;
        let data = DataDirectory::at(&config.data_dir);
        act_as_owner(data.path())?;
        if config.database.is_shared() {
            data.create()?;
        } else {
            data.require_initialised()?;
        }
        Ok(data)
    }

    /// Runs `work` on the registry's certificates and keys, which it does not change: in the data directory, or in a copy of what the
    /// nodes share.
    pub(crate) fn read_certificates<T>(
        &self,
        work: impl FnOnce(&Config, &DataDirectory) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (config, data) = (self.config()?, self.data_directory()?);
        block_on(operator::with_files(&config, &data, &self.clock, async |files| {
            files.read(|data| work(&config, data)).await
        }))
    }

    /// The same with `work` that changes them, for all nodes. It is run again where another process has changed them meanwhile.
    pub(crate) fn change_certificates<T>(
        &self,
        mut work: impl FnMut(&Config, &DataDirectory) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (config, data) = (self.config()?, self.data_directory()?);
        block_on(operator::with_files(&config, &data, &self.clock, async |files| {
            files.change(|data_dir| work(&config, &DataDirectory::at(data_dir))).await
        }))
    }

    /// Runs `work` on the registry of the data directory, as its operator.
    pub(crate) fn administer<T>(
        &self,
        work: impl AsyncFnOnce(&Administration, &AdminPermit) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (config, data) = (self.config()?, self.data_directory()?);
        block_on(operator::administer(&config, &data, &self.clock, work))
    }
}

/// Runs `work` on a runtime that is abandoned afterwards, so that a resolver that exceeds its time limit does not delay the exit. Not for
/// work that must finish in the background.
pub(crate) fn block_on_and_leave<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the asynchronous runtime")?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}

/// Runs `work` on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(work)
}
