//! What keeps this host from using a registry: everything from the name to the trust stores is checked, and nothing is changed.
//!
//! What is learnt over an unverified connection is shown and not relied on. No credentials are sent, no proxy is used, and every
//! connection has a time limit.

mod authority;
mod chain;
mod connection;
mod containers;
mod docker;
mod insecure;
mod insecure_containerd;
mod name;
mod no_proxy;
mod presented;
mod probe;
mod program;
mod proxy;
mod stores;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::doctor::finding::Finding;
use crate::domain::Clock;
use crate::trust::host::{Home, Host, InstallScope};
use crate::trust::registry_address::RegistryAddress;

pub(crate) use chain::Chain;
pub(crate) use presented::presented_at;
pub(crate) use probe::{ProbeError, probe};

/// What is examined: a registry, as seen from a host.
#[derive(Debug, Clone)]
pub(crate) struct Examined {
    /// The host whose files are checked.
    pub(crate) host: Host,
    /// The directories of the user who asks; `None` without a home.
    pub(crate) home: Option<Home>,
    /// The registry.
    pub(crate) registry: RegistryAddress,
    /// The limit of each connection and of each program that is run.
    pub(crate) limit: Duration,
    /// This host's clock.
    pub(crate) clock: Clock,
    /// The environment: `PATH`, proxies, `SSL_CERT_FILE`.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Examined {
    /// Whose files count: the system's, then the user's.
    fn scopes(&self) -> Vec<InstallScope> {
        let user = self.home.clone().map(InstallScope::User);
        std::iter::once(InstallScope::System).chain(user).collect()
    }

    /// The same where only the operating system's store helps.
    fn system_command(&self) -> String {
        format!("{}; with --system too if it says that the CA can sign for any name", self.trust_command(""))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The command that makes this host trust the registry. The fingerprint is never filled in: it has to come from the
    /// administrator, not over the connection that is in doubt.
    fn trust_command(&self, more: &str) -> String {
        format!(
            "portcullis trust {} --ca-sha256 HEX{more}, with HEX from the registry's administrator (`portcullis ca show` there; if the \
             registry publishes no CA, use --ca-file FILE with its root certificate instead)",
            self.registry.written()
        )
    }
}

/// Every check, in the order in which a connection reaches what it looks at.
pub(crate) async fn examine(examined: &Examined) -> Vec<Finding> {
    let (mut findings, addresses) = name::check(examined).await;
    let reached = if addresses.is_empty() {
        findings.push(Finding::unknown("tcp", "the name has no address"));
        None
    } else {
        let (found, reached) = connection::check(examined, &addresses).await;
        findings.extend(found);
        reached
    };
    let mut seen = None;
    if let Some(address) = reached {
        let (found, chain) = presented::check(examined, address).await;
        findings.extend(found);
        seen = chain;
    }
    let mut challenge = None;
    if let Some(chain) = &seen {
        findings.extend(authority::check(examined, chain).await);
        let (found, asked) = probe::check(examined).await;
        findings.push(found);
        challenge = asked;
        findings.extend(stores::check(examined, chain));
    } else {
        findings.push(Finding::unknown("stores", "no certificate was presented to check the trust stores against"));
    }
    findings.extend(docker::check(examined, seen.as_ref(), challenge.as_deref()).await);
    findings.extend(insecure::check(examined, &addresses));
    findings.extend(proxy::check(examined, &addresses));
    findings
}
