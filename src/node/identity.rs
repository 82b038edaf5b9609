//! Which certificate is served, and which client certificates are accepted.

use std::sync::Arc;

use anyhow::Context as _;

use super::data_directory::DataDirectory;
use super::host_names::names_to_serve;
use crate::config::Config;
use crate::domain::Clock;
use crate::pki::{Authority, IdentitySource, served_names};
use crate::tls::{ClientFiles, ClientVerifier};

/// Which certificate is served, by the configuration and the data directory.
/// Nodes that share a certificate and were given different names serve all of them: none takes away what another has added, until the
/// certificate is renewed.
pub(crate) fn identity_source(config: &Config, data: &DataDirectory, clock: &Clock) -> anyhow::Result<IdentitySource> {
    if let Some(pair) = config.tls.pair() {
        let source = IdentitySource::files(data.path(), pair.certificate, pair.private_key);
        return Ok(source.with_clock(clock.clone()));
    }
    // A damaged authority is reported before anything is asked of it.
    Authority::load(data.path(), clock)?;
    let (hosts, is_shared, data_dir) =
        (config.server.hosts.clone(), config.database.is_shared(), data.path().to_owned());
    let names = move |authority: &Authority| {
        let mut names = names_to_serve(&hosts, Some(authority));
        if is_shared {
            names.extend(served_names(&data_dir, authority));
            names.sort();
            names.dedup();
        }
        names
    };
    let source = IdentitySource::following(data.path(), names).with_clock(clock.clone());
    Ok(if config.acme.is_enabled() { source.with_acme() } else { source })
}

/// Which client certificates are accepted, if the configuration asks for any.
pub(super) fn client_verifier(config: &Config, clock: &Clock) -> anyhow::Result<Option<Arc<ClientVerifier>>> {
    let settings = &config.client_certificates;
    let Some(ca) = settings.ca.clone() else { return Ok(None) };
    let files = ClientFiles { ca, crls: settings.crl.clone() };
    let verifier = ClientVerifier::open(files, settings.rule(), settings.required, clock.clone());
    Ok(Some(verifier.context("the files that [client_certificates] names cannot be used")?))
}
