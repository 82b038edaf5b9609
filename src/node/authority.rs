//! What an operator does with the registry's own CA: replace it, and make other hosts trust it.

use std::time::Duration;

use anyhow::bail;

use super::data_directory::DataDirectory;
use super::first_start::constraints;
use super::host_names::{best_for_others, names_to_serve};
use super::identity::identity_source;
use crate::config::Config;
use crate::domain::Clock;
use crate::domain::net::HostName;
use crate::domain::net::host_port::{HostPort, with_port};
use crate::pki::{Authority, Origin, PermittedNames, RotationRequest, SubjectName, ensure_leaf};

/// How the CA is to be replaced.
pub(crate) struct Replacement<'a> {
    /// Names that the new CA may sign for in addition to those of the old one.
    pub(crate) hosts: &'a [HostName],
    /// Whether the new CA may sign for any name.
    pub(crate) unconstrained: bool,
    /// How long hosts that trust the old CA are served; `None`: not at all.
    pub(crate) overlap: Option<Duration>,
}

/// A CA that has been replaced.
pub(crate) struct Replaced {
    pub(crate) old: Authority,
    pub(crate) new: Authority,
    /// The names that are served.
    pub(crate) served: Vec<SubjectName>,
    /// Whether the certificate that is served was signed by the registry's own CA at all.
    pub(crate) in_use: bool,
}

/// Replaces the CA by a new one, and makes a certificate under it.
pub(crate) fn replace_authority(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    replacement: &Replacement<'_>,
) -> anyhow::Result<Replaced> {
    let old = Authority::load(data.path(), clock)?;
    let mut names = names_to_serve(&config.server.hosts, Some(&old));
    if let PermittedNames::Only(permitted) = old.permitted() {
        names.extend(permitted.iter().cloned());
    }
    let added: Vec<SubjectName> = replacement.hosts.iter().map(SubjectName::from).collect();
    names.extend(added.iter().cloned());
    names.sort();
    names.dedup();
    let constraints = constraints(config, replacement.unconstrained);
    let request = RotationRequest { names, added, constraints, overlap: replacement.overlap };
    let mut new = Authority::rotate(data.path(), &request, clock)?;
    let served = names_to_serve(&config.server.hosts, Some(&new));
    ensure_leaf(data.path(), &mut new, &served)?;
    let identity = identity_source(config, data, clock)?.load();
    let in_use = identity.is_ok_and(|identity| identity.origin() == Origin::ManagedCa);
    Ok(Replaced { old, new, served, in_use })
}

/// The registry as other hosts are to name it, `HOST:PORT`: as it is given, else by the best of its names. Refused if trusting the CA
/// would not make that name work.
pub(crate) fn trustable_host(
    (config, data, clock): (&Config, &DataDirectory, &Clock),
    authority: &Authority,
    host: Option<&HostPort>,
) -> anyhow::Result<String> {
    let served = require_own_certificate((config, data, clock), host)?;
    let port = config.server.listen.port();
    let host = if let Some(host) = host {
        host.with_default_port(port)
    } else {
        let names = names_to_serve(&config.server.hosts, Some(authority));
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        with_port(best_for_others(&names), port)
    };
    require_served(authority, &served, &host)?;
    Ok(host)
}

/// A host that trusts the CA for a name that is not served gets a different x509 error, and its users look for the cause on their side.
fn require_served(authority: &Authority, served: &[String], host: &str) -> anyhow::Result<()> {
    let name: SubjectName = host.rsplit_once(':').map_or(host, |(name, _)| name).parse()?;
    if !authority.permits(&name) {
        bail!(
            "the CA may not sign for `{name}`: run `portcullis ca rotate --host {name}` for a new CA that may, then run this again"
        );
    }
    if !served.is_empty() && !served.contains(&name.to_string()) {
        bail!(
            "the certificate is not for `{name}` (portcullis cert show): add it to server.hosts, restart the server, and run this again"
        );
    }
    Ok(())
}

/// The CA is worth trusting only if it signed the certificate that is served. Returns the names of that certificate; none if it cannot
/// be read.
fn require_own_certificate(
    (config, data, clock): (&Config, &DataDirectory, &Clock),
    host: Option<&HostPort>,
) -> anyhow::Result<Vec<String>> {
    let Ok(served) = identity_source(config, data, clock)?.load() else { return Ok(Vec::new()) };
    match served.origin() {
        Origin::Imported | Origin::Acme | Origin::Configured => bail!(
            "the certificate in use was not signed by this registry's CA (portcullis cert show). If its CA is not a public one, make \
             other hosts trust it with `portcullis trust {} --ca-file FILE`, where FILE is the root certificate of that CA",
            host.map_or_else(|| "HOST:PORT".to_owned(), ToString::to_string)
        ),
        Origin::ManagedCa => Ok(served.summary().names.clone()),
    }
}
