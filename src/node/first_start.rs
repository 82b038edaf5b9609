//! What a new registry is given: CA, certificate, keys and administrator. `init` does it, and `serve` on an empty data directory.

use std::sync::Arc;

use anyhow::Context as _;

use super::administrator::Administrator;
use super::data_directory::DataDirectory;
use super::host_names::names_to_serve;
use super::settings::auth_settings;
use super::stores::open_metadata;
use crate::auth::{Authenticator, Secret};
use crate::config::Config;
use crate::domain::AccountName;
use crate::pki::{Authority, Constraints, ensure_leaf};
use crate::storage::metadata::Metadata;

/// The administrator that `serve` adds.
const FIRST_ADMINISTRATOR: &str = "admin";

/// What an operator may choose about a new registry.
pub(crate) struct FirstStart {
    pub(crate) constraints: Constraints,
    pub(crate) administrator: AccountName,
    /// The administrator's password; `None`: one is generated.
    pub(crate) password: Option<Secret>,
}

/// What the CA may sign for.
pub(crate) fn constraints(config: &Config, unconstrained: bool) -> Constraints {
    if unconstrained || !config.tls.constrained { Constraints::Unconstrained } else { Constraints::ToNames }
}

/// Makes what is missing of a data directory. Interrupted, it continues where it was when it is run again. `None` where the database
/// says that this is not a first start.
pub(crate) async fn initialise(
    data: &DataDirectory,
    config: &Config,
    chosen: FirstStart,
) -> anyhow::Result<Option<Administrator>> {
    let metadata = open_metadata(config).await?;
    let administrator = establish(data, config, &metadata, chosen).await;
    metadata.close().await?;
    administrator
}

/// On a new database, all that [`initialise`] makes. The file that says when that was done is written again where it is missing, and
/// decides nothing.
pub(super) async fn first_start(
    data: &DataDirectory,
    config: &Config,
    metadata: &Arc<dyn Metadata>,
) -> anyhow::Result<Option<Administrator>> {
    if data.initialised_on()?.is_some() && !metadata.is_new().await? {
        return Ok(None);
    }
    let administrator: AccountName = FIRST_ADMINISTRATOR.parse().context("the first administrator's name")?;
    let chosen = FirstStart { constraints: constraints(config, false), administrator, password: None };
    let administrator = establish(data, config, metadata, chosen).await?;
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
    chosen: FirstStart,
) -> anyhow::Result<Option<Administrator>> {
    let mut authority = if Authority::exists(data.path()) {
        Authority::load(data.path())?
    } else {
        let names = names_to_serve(&config.server.hosts, None);
        Authority::create(data.path(), &names, chosen.constraints)?
    };
    let names = names_to_serve(&config.server.hosts, Some(&authority));
    ensure_leaf(data.path(), &mut authority, &names)?;
    // Makes the first token key.
    Authenticator::open(Arc::clone(metadata), auth_settings(config), data.seal_key()?).await?;
    let administrator = Administrator::add(data, &**metadata, chosen.administrator, chosen.password).await?;
    data.mark_initialised()?;
    Ok(administrator)
}
