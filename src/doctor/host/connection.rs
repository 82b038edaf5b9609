//! Whether the registry's port can be reached, and what each way of failing means.

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
    // `localhost` has two addresses, and a server on one of them is as usual.
    findings.extend(failed.iter().filter(|(address, _)| !address.ip().is_loopback()).map(|(address, error)| {
        let finding = unreachable(*address, error);
        Finding::warning(
            CHECK,
            &finding.what,
            "clients that try this address first wait, or give up",
            finding.mend.unwrap_or_default(),
        )
    }));
    (findings, Some(first))
}

fn unreachable(address: SocketAddr, error: &io::Error) -> Finding {
    let port = address.port();
    let (what, why, mend) = match error.kind() {
        ErrorKind::ConnectionRefused => (
            format!("{address} refuses connections"),
            "the machine is there, and nothing listens on this port",
            format!("start the registry there (`portcullis doctor` on it says more), or correct the port {port}"),
        ),
        ErrorKind::TimedOut => (
            format!("{address} does not answer"),
            "a firewall drops the packets, or the machine is down",
            format!("let port {port}/tcp through, on the registry for example: ufw allow {port}/tcp"),
        ),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => (
            format!("there is no route to {address}"),
            "this host's network does not lead to the registry",
            format!("look where it ends: ip route get {}", address.ip()),
        ),
        _ => (
            format!("cannot connect to {address}: {error}"),
            "no client on this host reaches the registry",
            format!("check the address and the port {port}"),
        ),
    };
    Finding::problem(CHECK, what, why, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_failing_has_its_own_mend() {
        let address = "10.0.0.1:5000".parse().unwrap();
        let mend = |kind: ErrorKind| unreachable(address, &kind.into()).mend.unwrap();
        assert!(mend(ErrorKind::ConnectionRefused).contains("start the registry"));
        assert!(mend(ErrorKind::TimedOut).contains("5000/tcp"));
        assert!(mend(ErrorKind::HostUnreachable).contains("ip route get 10.0.0.1"));
    }
}
