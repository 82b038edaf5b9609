//! What keeps this host from using a registry: every place from the name to the trust stores, looked at and never changed.
//!
//! Nothing that is learnt over an unverified connection is believed; it is only shown. No credentials are sent, no proxy is used,
//! and every connection ends within its limit.

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
mod program;
mod proxy;
mod reach;
mod stores;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::doctor::finding::Finding;
use crate::trust::host::{Home, Host, InstallScope};
use crate::trust::registry_address::RegistryAddress;

pub use chain::Chain;
pub use presented::presented_at;
pub use reach::{Answer, Believe, Unreached, reach};

/// What is examined: a registry, as seen from a host.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The host whose files are looked at.
    pub host: Host,
    /// The directories of whoever asks; `None` where there is no home.
    pub home: Option<Home>,
    /// The registry.
    pub registry: RegistryAddress,
    /// The limit of each connection and of each program that is asked.
    pub limit: Duration,
    /// The environment: `PATH`, proxies, `SSL_CERT_FILE`.
    pub variables: BTreeMap<String, String>,
}

impl Examined {
    /// Whose files count: everybody's, then the user's.
    fn scopes(&self) -> Vec<InstallScope> {
        let user = self.home.clone().map(InstallScope::User);
        std::iter::once(InstallScope::System).chain(user).collect()
    }

    /// The same for what the operating system's store alone helps.
    fn system_command(&self) -> String {
        format!("{}; with --system too if it says that the CA can sign for any name", self.trust_command(""))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The command that makes this host trust the registry. The fingerprint is never filled in: it has to come from the
    /// administrator and not over the connection that is in doubt.
    fn trust_command(&self, more: &str) -> String {
        format!(
            "portcullis trust {} --ca-sha256 HEX{more}, with HEX from the registry's administrator (`portcullis ca show` there; if the \
             registry publishes no CA, --ca-file FILE with its root certificate instead)",
            self.registry.written()
        )
    }
}

/// Every check, in the order in which a connection meets what they look at.
pub async fn examine(examined: &Examined) -> Vec<Finding> {
    let (mut findings, addresses) = name::check(examined).await;
    let reached = if addresses.is_empty() {
        findings.push(Finding::unknown("tcp", "the name leads to no address"));
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
        let (found, asked) = reach::check(examined).await;
        findings.push(found);
        challenge = asked;
        findings.extend(stores::check(examined, chain));
    } else {
        findings.push(Finding::unknown("stores", "no certificate was presented to compare the trust stores with"));
    }
    findings.extend(docker::check(examined, seen.as_ref(), challenge.as_deref()).await);
    findings.extend(insecure::check(examined, &addresses));
    findings.extend(proxy::check(examined, &addresses));
    findings
}
