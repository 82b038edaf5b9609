//! Which certificate is served, and which client certificates are accepted.

use std::sync::Arc;

use anyhow::Context as _;

use super::data_directory::DataDirectory;
use super::host_names::names_to_serve;
use crate::config::Config;
use crate::domain::Clock;
use crate::pki::{Authority, IdentitySource};
use crate::tls::{ClientFiles, ClientVerifier};

/// Which certificate is served, by the configuration and the data directory.
pub(crate) fn identity_source(config: &Config, data: &DataDirectory) -> anyhow::Result<IdentitySource> {
    if let Some(pair) = config.tls.pair() {
        return Ok(IdentitySource::files(data.path(), pair.certificate, pair.private_key));
    }
    // A damaged authority is reported before anything is asked of it.
    Authority::load(data.path(), &Clock::system())?;
    let hosts = config.server.hosts.clone();
    let source = IdentitySource::following(data.path(), move |authority| names_to_serve(&hosts, Some(authority)));
    Ok(if config.acme.is_enabled() { source.with_acme() } else { source })
}

/// Which client certificates are accepted, if the configuration asks for any.
pub(super) fn client_verifier(config: &Config) -> anyhow::Result<Option<Arc<ClientVerifier>>> {
    let settings = &config.client_certificates;
    let Some(ca) = settings.ca.clone() else { return Ok(None) };
    let files = ClientFiles { ca, crls: settings.crl.clone() };
    let verifier = ClientVerifier::open(files, settings.rule(), settings.required, Clock::system());
    Ok(Some(verifier.context("the files that [client_certificates] names cannot be used")?))
}
