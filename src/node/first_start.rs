//! What a new registry starts with: CA, certificate, keys and administrator. `init` creates it, and `serve` on an empty data directory.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::administrator::Administrator;
use super::data_directory::{DataDirectory, DataLock};
use super::host_names::names_to_serve;
use super::stores::open_metadata;
use crate::admin::{Administration, NewPassword, admit_name};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::domain::{AccountName, Clock};
use crate::pki::{Authority, Constraints, ensure_leaf};
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

/// A data directory that this process may initialise.
pub(crate) struct NewRegistry {
    data: DataDirectory,
    _lock: DataLock,
}

impl NewRegistry {
    /// Creates the data directory if it is missing, and locks it. Refused if it was initialised before, if another process serves it,
    /// and if the administrator may not have this name.
    pub(crate) fn claim(config: &Config, administrator: &AccountName) -> anyhow::Result<Self> {
        let data = DataDirectory::at(&config.data_dir);
        if let Some(date) = data.initialised_on()? {
            bail!("{} was already initialised on {date}, nothing changed", data.path().display());
        }
        admit_name(administrator)?;
        data.create()?;
        let lock = data.lock()?;
        Ok(Self { data, _lock: lock })
    }

    /// Creates what is missing. If it is interrupted, the next run continues.
    pub(crate) async fn initialise(self, config: &Config, chosen: FirstStart) -> anyhow::Result<FirstRegistry> {
        let metadata = open_metadata(config, &Clock::system()).await?;
        let established = establish(&self.data, config, &metadata, &Clock::system(), chosen).await;
        let closed = metadata.close().await;
        let administrator = established?;
        closed?;
        match administrator {
            Some(administrator) => Ok(FirstRegistry {
                authority: Authority::load(self.data.path(), &Clock::system())?,
                administrator,
                data: self.data,
            }),
            None => bail!(
                "{} was already initialised, nothing changed{}",
                self.data.path().display(),
                password_hint(&self.data)
            ),
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
fn password_hint(data: &DataDirectory) -> String {
    let file = data.first_password();
    if file.exists() {
        format!("; the administrator's one-time password is in {}", file.display())
    } else {
        String::new()
    }
}

/// On a new database, creates what [`NewRegistry::initialise`] does. The file that says when that was is written again if it is missing,
/// and decides nothing.
pub(super) async fn first_start(
    data: &DataDirectory,
    config: &Config,
    metadata: &Arc<dyn Metadata>,
    clock: &Clock,
) -> anyhow::Result<Option<Administrator>> {
    if data.initialised_on()?.is_some() && !metadata.is_new().await? {
        return Ok(None);
    }
    let administrator: AccountName = FIRST_ADMINISTRATOR.parse().context("the first administrator's name")?;
    let chosen = FirstStart { constraints: constraints(config, false), administrator, password: None };
    let administrator = establish(data, config, metadata, clock, chosen).await?;
    if administrator.is_none() {
        tracing::warn!(
            data = %data.path().display(),
            "the file `initialised` was missing and has been written again; users, keys and certificates are unchanged"
        );
    }
    Ok(administrator)
}

async fn establish(
    data: &DataDirectory,
    config: &Config,
    metadata: &Arc<dyn Metadata>,
    clock: &Clock,
    chosen: FirstStart,
) -> anyhow::Result<Option<Administrator>> {
    let mut authority = if Authority::exists(data.path()) {
        Authority::load(data.path(), &Clock::system())?
    } else {
        let names = names_to_serve(&config.server.hosts, None);
        Authority::create(data.path(), &names, chosen.constraints, &Clock::system())?
    };
    let names = names_to_serve(&config.server.hosts, Some(&authority));
    ensure_leaf(data.path(), &mut authority, &names)?;
    // Creates the first token key.
    Authenticator::open(Arc::clone(metadata), config.auth.clone(), data.data_key()?, clock.clone()).await?;
    let admin = Administration::new(Arc::clone(metadata), config.auth.clone(), clock.clone());
    let is_new = metadata.is_new().await?;
    let administrator =
        if is_new { Administrator::add(data, &admin, chosen.administrator, chosen.password).await? } else { None };
    data.mark_initialised(clock)?;
    Ok(administrator)
}
