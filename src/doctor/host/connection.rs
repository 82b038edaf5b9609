//! Whether the registry's port can be reached, and what each kind of failure means.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::Examined;
use crate::doctor::finding::Finding;

const CHECK: &str = "tcp";

/// What was found, and the first address that answers.
pub(super) async fn check(examined: &Examined, addresses: &[SocketAddr]) -> (Vec<Finding>, Option<SocketAddr>) {
    let (mut reached, mut failed) = (Vec::new(), Vec::new());
    for address in addresses {
        match tokio::time::timeout(examined.limit, TcpStream::connect(address)).await {
            Ok(Ok(_)) => reached.push(*address),
            Ok(Err(error)) => failed.push((*address, error)),
            Err(_) => failed.push((*address, ErrorKind::TimedOut.into())),
        }
    }
    let Some(first) = reached.first().copied() else {
        return (failed.iter().map(|(address, error)| unreachable(*address, error)).collect(), None);
    };
    let mut findings = vec![Finding::ok(CHECK, format!("{first} accepts connections"))];
    // `localhost` has two addresses, and a server usually listens on one of them.
    findings.extend(failed.iter().filter(|(address, _)| !address.ip().is_loopback()).map(|(address, error)| {
        let finding = unreachable(*address, error);
        Finding::warning(
            CHECK,
            &finding.what,
            "clients that try this address first are delayed, or fail",
            finding.fix.unwrap_or_default(),
        )
    }));
    (findings, Some(first))
}

fn unreachable(address: SocketAddr, error: &io::Error) -> Finding {
    let port = address.port();
    let (what, why, fix) = match error.kind() {
        ErrorKind::ConnectionRefused => (
            format!("{address} refuses connections"),
            "the machine is up, but nothing listens on this port",
            format!(
                "start the registry there (run `portcullis doctor` on it to find out more), or correct the port {port}"
            ),
        ),
        ErrorKind::TimedOut => (
            format!("{address} does not answer"),
            "a firewall drops the packets, or the machine is down",
            format!("open port {port}/tcp in the firewall, for example on the registry: ufw allow {port}/tcp"),
        ),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => (
            format!("no route to {address}"),
            "this host's network cannot reach the registry",
            format!("check the route: ip route get {}", address.ip()),
        ),
        _ => (
            format!("cannot connect to {address}: {error}"),
            "no client on this host can reach the registry",
            format!("check the address and the port {port}"),
        ),
    };
    Finding::problem(CHECK, what, why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_own_fix() {
        let address = "10.0.0.1:5000".parse().unwrap();
        let fix = |kind: ErrorKind| unreachable(address, &kind.into()).fix.unwrap();
        assert!(fix(ErrorKind::ConnectionRefused).contains("start the registry"));
        assert!(fix(ErrorKind::TimedOut).contains("5000/tcp"));
        assert!(fix(ErrorKind::HostUnreachable).contains("ip route get 10.0.0.1"));
    }
}
