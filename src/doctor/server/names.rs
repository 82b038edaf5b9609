//! Whether the registry can be reached under each name of its certificate, and uses that name in its answers.

use std::net::{IpAddr, SocketAddr};

use rustls::RootCertStore;

use super::Subject;
use super::certificate::served;
use crate::client::TrustMode;
use crate::doctor::finding::Finding;
use crate::doctor::host::{ProbeError, probe};
use crate::domain::net::host_port::{HostPort, with_port};
use crate::pki::{Inspected, Origin, PkiPaths, inspect};
use crate::trust::RegistryAddress;

const CHECK: &str = "reach";
/// The port of a proxy in front.
const PROXY_PORT: u16 = 443;

pub(super) async fn check(subject: &Subject, address: Option<SocketAddr>) -> Vec<Finding> {
    let Some(address) = address else {
        return vec![Finding::unknown(CHECK, "no running server of this data directory was found")];
    };
    let Ok(identity) = served(subject) else {
        return vec![Finding::unknown(CHECK, "no usable certificate lists the names")];
    };
    let is_own = identity.origin() == Origin::ManagedCa;
    let mut findings = Vec::new();
    for name in identity.summary().names.iter().filter(|name| !name.contains('*')) {
        if let Some(ip) = not_listening_on(name, address) {
            // Every certificate contains the loopback names, whatever the server listens on.
            if !ip.is_loopback() {
                findings.push(not_served(name, address));
            }
            continue;
        }
        findings.push(one(subject, &with_port(name, address.port()), is_own).await);
        if !subject.config.server.trusted_proxies.is_empty() && !is_loopback(name) && address.port() != PROXY_PORT {
            findings.extend(through_proxy(subject, name).await);
        }
    }
    if findings.is_empty() {
        findings.push(Finding::unknown(CHECK, "the certificate has no name that can be reached from here"));
    }
    findings
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The address that `name` is, if the server does not listen on it.
fn not_listening_on(name: &str, listen: SocketAddr) -> Option<IpAddr> {
    let ip: IpAddr = name.parse().ok()?;
    let on = listen.ip();
    let listens = if on.is_unspecified() { on.is_ipv6() || ip.is_ipv4() } else { ip == on };
    (!listens).then_some(ip)
}

fn not_served(name: &str, address: SocketAddr) -> Finding {
    Finding::warning(
        CHECK,
        format!("the certificate names {name}, but the server listens only on {address}"),
        "clients cannot reach the registry by this address; other names work",
        format!("set server.listen to \"[::]:{}\", or ignore this if no client uses that address", address.port()),
    )
}

/// Probes one name, trusting only our own CA; with a certificate of another authority, nothing is verified.
async fn one(subject: &Subject, name: &str, is_own: bool) -> Finding {
    let Ok(registry) = name.parse::<HostPort>().map(RegistryAddress::from) else {
        return Finding::unknown(CHECK, format!("clients cannot use the name {name}"));
    };
    let root = inspect(&PkiPaths::new(&subject.data.path).root_certificate());
    let trust = match root {
        Ok(root) if is_own => TrustMode::Roots(only(root)),
        Err(error) if is_own => return Finding::unknown(CHECK, error.to_string()),
        _ => TrustMode::Unverified,
    };
    match probe(&registry, trust, subject.limit).await {
        Ok(answer) => answer.rewritten_host(&registry).unwrap_or_else(|| {
            Finding::ok(CHECK, format!("{name} answers, and sends clients to the same name for their token"))
        }),
        Err(ProbeError::NoHttp(_)) if requires_certificates(subject) => Finding::ok(
            CHECK,
            format!(
                "{name} presents the registry's certificate; the rest is visible only to clients with a certificate"
            ),
        ),
        Err(error) => unreachable(name, &error),
    }
}

/// A store of these roots alone.
fn only(roots: Vec<Inspected>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.into_iter().map(|root| root.der));
    store
}

/// Whether the server answers only clients with a certificate, which this program does not have.
fn requires_certificates(subject: &Subject) -> bool {
    subject.config.client_certificates.are_required()
}

fn unreachable(name: &str, error: &ProbeError) -> Finding {
    let what = format!("{name}: {error}");
    match error {
        // A name that only other networks resolve, or a router without hairpin NAT, does no harm there.
        ProbeError::Connect(_) | ProbeError::Timeout => Finding::warning(
            CHECK,
            what,
            "clients may not be able to reach the registry by this name; this may differ on other networks",
            format!(
                "make the name resolve to this host and open the firewall, then check on a client host: portcullis doctor {name}"
            ),
        ),
        ProbeError::Tls(_) => Finding::problem(
            CHECK,
            what,
            "another server answers there, or a proxy terminates TLS with its own certificate",
            "see which certificate is presented there: portcullis doctor ".to_owned() + name,
        ),
        ProbeError::NoHttp(_) | ProbeError::NotARegistry(_) => Finding::problem(
            CHECK,
            what,
            "docker login starts with this request",
            "read the server's log, and check what is in front of it: portcullis doctor ".to_owned() + name,
        ),
    }
}

/// Through the proxy in front, which has its own certificate: only whether it forwards the name.
async fn through_proxy(subject: &Subject, name: &str) -> Option<Finding> {
    let registry: RegistryAddress = with_port(name, PROXY_PORT).parse::<HostPort>().ok()?.into();
    let answer = probe(&registry, TrustMode::Unverified, subject.limit).await.ok()?;
    let ok = || Finding::ok(CHECK, format!("the proxy at {name} forwards the name"));
    Some(answer.rewritten_host(&registry).unwrap_or_else(ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reachable_if_the_server_listens_on_it() {
        let unreachable = |name: &str, on: &str| not_listening_on(name, on.parse().unwrap()).is_some();
        assert!(!unreachable("10.0.0.1", "0.0.0.0:5000") && !unreachable("::1", "[::]:5000"));
        assert!(!unreachable("10.0.0.1", "[::]:5000"), "a socket of both families");
        assert!(!unreachable("10.0.0.1", "10.0.0.1:5000") && !unreachable("localhost", "10.0.0.1:5000"));
        assert!(unreachable("::1", "0.0.0.0:5000") && unreachable("10.0.0.2", "10.0.0.1:5000"));
    }
}
