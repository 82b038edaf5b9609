//! What the registry's name resolves to.

use std::net::{IpAddr, SocketAddr};

use super::Examined;
use crate::doctor::finding::Finding;
use crate::trust::file;

const CHECK: &str = "dns";
const HOSTS: &str = "/etc/hosts";

/// What was found, and the addresses.
pub(super) async fn check(examined: &Examined) -> (Vec<Finding>, Vec<SocketAddr>) {
    let (host, port) = (examined.registry.host(), examined.registry.port());
    let addresses = match tokio::time::timeout(examined.limit, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => unique(found),
        Ok(Err(error)) => return (vec![unresolved(host, &error.to_string())], Vec::new()),
        Err(_) => {
            let reason = format!("no answer within {} s", examined.limit.as_secs());
            return (vec![unresolved(host, &reason)], Vec::new());
        }
    };
    if addresses.is_empty() {
        return (vec![unresolved(host, "it has no address")], addresses);
    }
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let by = if in_hosts_file(examined, &addresses) { " (from /etc/hosts)" } else { "" };
    let mut findings = vec![match examined.registry.ip() {
        Some(ip) => Finding::ok(CHECK, format!("{ip} is an address; nothing to resolve")),
        None => Finding::ok(CHECK, format!("{host} resolves to {}{by}", listed.join(", "))),
    }];
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        findings.push(Finding::warning(
            CHECK,
            format!("{host} is this machine"),
            "docker and containerd verify nothing there: what works on this machine may fail on others",
            "run doctor again with the name that other hosts use",
        ));
    }
    (findings, addresses)
}

fn unresolved(host: &str, reason: &str) -> Finding {
    Finding::problem(
        CHECK,
        format!("cannot resolve {host} ({reason})"),
        "no client on this host can find the registry",
        format!("correct the name, or add the line `ADDRESS {host}` to /etc/hosts"),
    )
}

fn unique(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Whether the host's own file contains one of these addresses for the name.
fn in_hosts_file(examined: &Examined, addresses: &[SocketAddr]) -> bool {
    let Ok(Some(text)) = file::read(&examined.host.real(HOSTS.as_ref())) else { return false };
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().any(|line| names(line, examined.registry.host(), addresses))
}

fn names(line: &str, host: &str, addresses: &[SocketAddr]) -> bool {
    let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
    let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { return false };
    addresses.iter().any(|address| address.ip() == ip) && words.any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_hosts_file_is_parsed() {
        let addresses = ["10.0.0.1:5000".parse().unwrap()];
        assert!(names("10.0.0.1\tother Registry.test # ours", "registry.test", &addresses));
        assert!(!names("# 10.0.0.1 registry.test", "registry.test", &addresses));
        assert!(!names("10.0.0.2 registry.test", "registry.test", &addresses));
    }
}
