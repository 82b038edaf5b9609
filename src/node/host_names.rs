//! The names that go into the certificate.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::domain::net::HostName;
use crate::pki::{Authority, PermittedNames, SubjectName};

/// The names to serve: those of the operator, else those that the authority permits, else those of this machine.
/// Always with those that `ca rotate --host` added, localhost and the loopback addresses.
pub(crate) fn names_to_serve(hosts: &[HostName], authority: Option<&Authority>) -> Vec<SubjectName> {
    let chosen: Vec<SubjectName> = match authority.map(Authority::permitted) {
        _ if !hosts.is_empty() => hosts.iter().map(SubjectName::from).collect(),
        Some(PermittedNames::Only(names)) => names.clone(),
        Some(PermittedNames::All) | None => of_this_machine(),
    };
    let added = authority.map(Authority::added_names).unwrap_or_default();
    with_loopback(chosen.into_iter().chain(added.iter().cloned()).collect())
}

/// Sorted: names before addresses, each once.
fn with_loopback(names: Vec<SubjectName>) -> Vec<SubjectName> {
    let loopback = [
        SubjectName::Dns("localhost".to_owned()),
        SubjectName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SubjectName::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let all: BTreeSet<SubjectName> = names.into_iter().chain(loopback).collect();
    all.into_iter().collect()
}

/// The machine's host name, and the addresses of its interfaces that others can reach.
pub(crate) fn of_this_machine() -> Vec<SubjectName> {
    let host: Option<HostName> = rustix::system::uname().nodename().to_string_lossy().parse().ok();
    let addresses = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list this machine's addresses; set them with --host");
        Vec::new()
    });
    let reachable = addresses.into_iter().map(|interface| interface.ip().to_canonical()).filter(is_reachable);
    host.iter().map(SubjectName::from).chain(reachable.map(SubjectName::Ip)).collect()
}

fn is_reachable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

/// The best name for other hosts: a host name before an address, loopback last.
pub(crate) fn best_for_others(names: &[String]) -> &str {
    let rank = |name: &&String| match name.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => 4,
        Ok(IpAddr::V4(_)) => 1,
        Ok(IpAddr::V6(_)) => 2,
        Err(_) if *name == "localhost" => 3,
        Err(_) => 0,
    };
    names.iter().min_by_key(rank).map_or("localhost", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_better_than_an_address() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(best_for_others(&names(&["localhost", "registry.test", "10.0.0.1"])), "registry.test");
        assert_eq!(best_for_others(&names(&["localhost", "127.0.0.1", "::1", "10.0.0.1"])), "10.0.0.1");
        assert_eq!(best_for_others(&names(&["127.0.0.1", "localhost"])), "localhost");
    }
}
