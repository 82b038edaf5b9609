//! What a new registry starts with: CA, certificate, keys and administrator. `init` creates it, and `serve` on an empty data directory.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::administrator::Administrator;
use super::data_directory::{DataDirectory, DataLock};
use super::host_names::names_to_serve;
use super::secrets::{self, make_key_file};
use super::shared::RegistryFiles;
use super::stores::open_metadata;
use crate::admin::{Administration, NewPassword, admit_name};
use crate::auth::{Authenticator, DataKey};
use crate::config::Config;
use crate::domain::{AccountName, Clock};
use crate::pki::{Authority, Constraints, PkiError, ensure_leaf};
use crate::storage::metadata::Metadata;

/// The administrator that `serve` adds.
const FIRST_ADMINISTRATOR: &str = "admin";

/// What an operator may choose about a new registry.
pub(crate) struct FirstStart {
    pub(crate) constraints: Constraints,
    pub(crate) administrator: AccountName,
    /// The administrator's password; `None`: one is generated.
    pub(crate) password: Option<NewPassword>,
}

/// What the CA may sign for.
pub(crate) fn constraints(config: &Config, unconstrained: bool) -> Constraints {
    if unconstrained || !config.tls.constrained { Constraints::Unconstrained } else { Constraints::ToNames }
}

/// A data directory that this process may initialise a registry from.
pub(crate) struct NewRegistry {
    data: DataDirectory,
    _lock: DataLock,
}

impl NewRegistry {
    /// Creates the data directory if it is missing, and locks it. Refused if it was initialised before, if another process serves it,
    /// and if the administrator may not have this name. Of nodes that share a database, the database says whether that was initialised.
    pub(crate) fn claim(config: &Config, administrator: &AccountName) -> anyhow::Result<Self> {
        let data = DataDirectory::at(&config.data_dir);
        if !config.database.is_shared()
            && let Some(date) = data.initialised_on()?
        {
            bail!("{} was already initialised on {date}, nothing changed", data.path().display());
        }
        admit_name(administrator)?;
        data.create()?;
        let lock = data.lock()?;
        Ok(Self { data, _lock: lock })
    }

    /// Creates what is missing. If it is interrupted, the next run continues.
    pub(crate) async fn initialise(
        self,
        config: &Config,
        clock: &Clock,
        chosen: FirstStart,
    ) -> anyhow::Result<FirstRegistry> {
        let metadata = open_metadata(config, clock).await?;
        let established = self.establish(config, clock, &metadata, chosen).await;
        let closed = metadata.close().await;
        let (authority, administrator) = established?;
        closed?;
        Ok(FirstRegistry { authority, administrator, data: self.data })
    }

    async fn establish(
        &self,
        config: &Config,
        clock: &Clock,
        metadata: &Arc<dyn Metadata>,
        chosen: FirstStart,
    ) -> anyhow::Result<(Authority, Administrator)> {
        let data = &self.data;
        if config.database.is_shared() && !metadata.is_new().await? {
            bail!("{}", already_initialised(config, data));
        }
        make_key_file(config)?;
        let data_key = secrets::data_key(config, data, &**metadata).await?;
        let files = RegistryFiles::of_command(config, data, metadata, &data_key);
        match (Establishing { data, config, metadata, files: &files, data_key: &data_key, clock }).run(chosen).await? {
            (authority, Some(administrator)) => Ok((authority, administrator)),
            (_, None) => bail!("{}", already_initialised(config, data)),
        }
    }
}

/// A registry that has just been initialised.
pub(crate) struct FirstRegistry {
    pub(crate) data: DataDirectory,
    pub(crate) authority: Authority,
    pub(crate) administrator: Administrator,
}

/// An attempt may have been interrupted after it had added the administrator.
fn already_initialised(config: &Config, data: &DataDirectory) -> String {
    if let Some(url) = &config.database.url {
        return format!(
            "the registry in the database {url} was already initialised, nothing changed: to add a node, give it this configuration and \
             the key (secrets.key_file), and run `portcullis serve` there"
        );
    }
    let (path, file) = (data.path().display(), data.first_password());
    let hint = if file.exists() {
        format!("; the administrator's one-time password is in {}", file.display())
    } else {
        String::new()
    };
    format!("{path} was already initialised, nothing changed{hint}")
}

/// On a new database, creates what [`NewRegistry::initialise`] does; of several nodes that do so at once, each finds what another was
/// faster with. The file that says when that was is written again if it is missing, and decides nothing.
pub(super) async fn first_start(
    data: &DataDirectory,
    config: &Config,
    metadata: &Arc<dyn Metadata>,
    (files, data_key): (&RegistryFiles, &DataKey),
    clock: &Clock,
) -> anyhow::Result<Option<Administrator>> {
    let (was_initialised, is_new) = (data.initialised_on()?.is_some(), metadata.is_new().await?);
    if was_initialised && !is_new && files.exist().await? {
        if config.database.is_shared() {
            // What the authority needs before it can be used is done for all nodes.
            files.change(|data_dir| Authority::load(data_dir, clock).map(drop)).await?;
        }
        return Ok(None);
    }
    if config.database.is_shared() && !is_new && !files.exist().await? {
        bail!(
            "the database has users, but no certificate authority: start first the node whose data directory has it in ca/, or restore \
             that directory from a backup into {}",
            data.path().display()
        );
    }
    let administrator: AccountName = FIRST_ADMINISTRATOR.parse().context("the first administrator's name")?;
    let chosen = FirstStart { constraints: constraints(config, false), administrator, password: None };
    let establishing = Establishing { data, config, metadata, files, data_key, clock };
    let (_, administrator) = establishing.run(chosen).await?;
    if administrator.is_none() && !config.database.is_shared() {
        tracing::warn!(
            data = %data.path().display(),
            "the file `initialised` was missing and has been written again; users, keys and certificates are unchanged"
        );
    }
    Ok(administrator)
}

/// A registry that is being made, or completed.
struct Establishing<'a> {
    data: &'a DataDirectory,
    config: &'a Config,
    metadata: &'a Arc<dyn Metadata>,
    files: &'a RegistryFiles,
    data_key: &'a DataKey,
    clock: &'a Clock,
}

impl Establishing<'_> {
    /// The authority, and the administrator unless another process was faster.
    async fn run(self, chosen: FirstStart) -> anyhow::Result<(Authority, Option<Administrator>)> {
        let Self { data, config, metadata, files, data_key, clock } = self;
        let hosts = &config.server.hosts;
        let authority = files.change(|data_dir| {
            let mut authority = if Authority::exists(data_dir) {
                Authority::load(data_dir, clock)?
            } else {
                Authority::create(data_dir, &names_to_serve(hosts, None), chosen.constraints, clock)?
            };
            let names = names_to_serve(hosts, Some(&authority));
            ensure_leaf(data_dir, &mut authority, &names)?;
            Ok::<_, PkiError>(authority)
        });
        let authority = authority.await?;
        // Creates the first token key.
        Authenticator::open(Arc::clone(metadata), config.auth.clone(), data_key.clone(), clock.clone()).await?;
        let admin = Administration::new(Arc::clone(metadata), config.auth.clone(), config.trash.clone(), clock.clone());
        let is_new = metadata.is_new().await?;
        let administrator =
            if is_new { Administrator::add(data, &admin, chosen.administrator, chosen.password).await? } else { None };
        if !matches!(files, RegistryFiles::Remote(..)) {
            data.mark_initialised(clock)?;
        }
        Ok((authority, administrator))
    }
}
