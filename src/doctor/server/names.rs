//! Whether the registry is reached under each name of its certificate, and knows itself by it there.

use std::net::{IpAddr, SocketAddr};

use super::Subject;
use super::certificate::served;
use crate::doctor::finding::Finding;
use crate::doctor::host::{Believe, Unreached, reach};
use crate::domain::net::host_port::HostPort;
use crate::node::host_names::with_port;
use crate::pki::{Origin, TlsPaths, inspect};
use crate::trust::RegistryAddress;

const CHECK: &str = "reach";
/// Where a proxy in front serves.
const PROXY_PORT: u16 = 443;

pub(crate) async fn check(subject: &Subject, address: Option<SocketAddr>) -> Vec<Finding> {
    let Some(address) = address else {
        return vec![Finding::unknown(CHECK, "no server of this data directory is found running")];
    };
    let Ok(identity) = served(subject) else {
        return vec![Finding::unknown(CHECK, "there is no usable certificate that would tell the names")];
    };
    let is_own = identity.origin() == Origin::Own;
    let mut findings = Vec::new();
    for name in identity.summary().names.iter().filter(|name| !name.contains('*')) {
        if let Some(ip) = answers_only_elsewhere(name, address) {
            // Loopback names stand in every certificate, whatever the server listens on.
            if !ip.is_loopback() {
                findings.push(elsewhere(name, address));
            }
            continue;
        }
        findings.push(one(subject, &with_port(name, address.port()), is_own).await);
        if !subject.config.server.trusted_proxies.is_empty() && !is_loopback(name) && address.port() != PROXY_PORT {
            findings.extend(through_proxy(subject, name).await);
        }
    }
    if findings.is_empty() {
        findings.push(Finding::unknown(CHECK, "the certificate names nothing that could be reached from here"));
    }
    findings
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The address that `name` is, where the server does not listen on it.
fn answers_only_elsewhere(name: &str, listens: SocketAddr) -> Option<IpAddr> {
    let ip: IpAddr = name.parse().ok()?;
    let on = listens.ip();
    let met = if on.is_unspecified() { on.is_ipv6() || ip.is_ipv4() } else { ip == on };
    (!met).then_some(ip)
}

fn elsewhere(name: &str, address: SocketAddr) -> Finding {
    Finding::warning(
        CHECK,
        format!("the certificate names {name}, and the server listens on {address} alone"),
        "clients that use this address do not reach the registry; those that use another name do",
        format!("set server.listen to \"[::]:{}\", or leave it if nobody uses that address", address.port()),
    )
}

/// Asks at a name, believing nothing but our own CA; what another authority signed is only looked at.
async fn one(subject: &Subject, name: &str, is_own: bool) -> Finding {
    let Ok(registry) = name.parse::<HostPort>().map(RegistryAddress::from) else {
        return Finding::unknown(CHECK, format!("{name} is no name that a client could use"));
    };
    let root = inspect(&TlsPaths::new(subject.data.path()).root_certificate());
    let believe = match root {
        Ok(root) if is_own => Believe::Roots(root.into_iter().map(|root| root.der).collect()),
        Err(error) if is_own => return Finding::unknown(CHECK, error.to_string()),
        _ => Believe::Anybody,
    };
    match reach(&registry, believe, subject.limit).await {
        Ok(answer) => answer.rewritten_host(&registry).unwrap_or_else(|| {
            Finding::ok(CHECK, format!("{name} answers, and sends clients to itself for their token"))
        }),
        Err(Unreached::NoHttp(_)) if requires_certificates(subject) => Finding::ok(
            CHECK,
            format!("{name} presents the registry's certificate; more is told only to clients with one"),
        ),
        Err(error) => unreached(name, &error),
    }
}

/// Whether the server answers nobody without a client certificate, which this program has not.
fn requires_certificates(subject: &Subject) -> bool {
    subject.config.client_certificates.are_required()
}

fn unreached(name: &str, error: &Unreached) -> Finding {
    let what = format!("{name}: {error}");
    match error {
        // Neither a name that only other networks know, nor a router that lets nobody back in, harms those others.
        Unreached::Connect(_) | Unreached::Slow => Finding::warning(
            CHECK,
            what,
            "clients may not reach the registry by this name either; from other networks it may differ",
            format!("make the name lead here (DNS, firewall), and see on a client's host: portcullis doctor {name}"),
        ),
        Unreached::Tls(_) => Finding::problem(
            CHECK,
            what,
            "another server answers there, or something in between ends TLS with a certificate of its own",
            "see what is presented there: portcullis doctor ".to_owned() + name,
        ),
        Unreached::NoHttp(_) | Unreached::NoRegistry(_) => Finding::problem(
            CHECK,
            what,
            "docker login begins with this request",
            "read the server's log, and see what stands in front of it: portcullis doctor ".to_owned() + name,
        ),
    }
}

/// Through the proxy in front, whose certificate is its own: only whether it passes the name on.
async fn through_proxy(subject: &Subject, name: &str) -> Option<Finding> {
    let registry: RegistryAddress = with_port(name, PROXY_PORT).parse::<HostPort>().ok()?.into();
    let answer = reach(&registry, Believe::Anybody, subject.limit).await.ok()?;
    let ok = || Finding::ok(CHECK, format!("the proxy at {name} passes the name on"));
    Some(answer.rewritten_host(&registry).unwrap_or_else(ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_met_by_what_listens_on_it() {
        let elsewhere = |name: &str, on: &str| answers_only_elsewhere(name, on.parse().unwrap()).is_some();
        assert!(!elsewhere("10.0.0.1", "0.0.0.0:5000") && !elsewhere("::1", "[::]:5000"));
        assert!(!elsewhere("10.0.0.1", "[::]:5000"), "a socket of both families");
        assert!(!elsewhere("10.0.0.1", "10.0.0.1:5000") && !elsewhere("localhost", "10.0.0.1:5000"));
        assert!(elsewhere("::1", "0.0.0.0:5000") && elsewhere("10.0.0.2", "10.0.0.1:5000"));
    }
}
