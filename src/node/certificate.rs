//! What an operator does with the certificate that is served: renew the registry's own, and import another.

use anyhow::bail;

use super::data_directory::DataDirectory;
use super::host_names::names_to_serve;
use super::identity::identity_source;
use crate::config::Config;
use crate::domain::Clock;
use crate::pki::{self, Authority, Identity, OperatorFiles, Origin};

/// Renews the registry's own certificate; a running server serves it within a second.
pub(crate) fn renew_certificate(config: &Config, data: &DataDirectory, clock: &Clock) -> anyhow::Result<Identity> {
    let source = identity_source(config, data, clock)?;
    if let Ok(identity) = source.load()
        && identity.origin() != Origin::ManagedCa
    {
        bail!(
            "the certificate in use ({}) was not issued by this registry: renew it where it was issued",
            identity.origin()
        );
    }
    let mut authority = Authority::load(data.path(), clock)?;
    let names = names_to_serve(&config.server.hosts, Some(&authority));
    pki::renew_leaf(data.path(), &mut authority, &names)?;
    Ok(source.load()?)
}

/// Refuses to import a certificate where the configuration names another, or ACME.
pub(crate) fn require_importable(config: &Config) -> anyhow::Result<()> {
    if config.tls.pair().is_some() {
        bail!(
            "the configuration already sets a certificate (tls.certificate): replace those files, or remove the settings"
        );
    }
    if config.acme.is_enabled() {
        bail!("ACME is enabled, and its certificate is served: set acme.directory to \"none\" first");
    }
    Ok(())
}

/// Imports a certificate, which is served from now on.
pub(crate) fn import_certificate(
    data: &DataDirectory,
    files: &OperatorFiles,
    clock: &Clock,
) -> anyhow::Result<Identity> {
    Ok(pki::import(data.path(), files, clock.now())?)
}
