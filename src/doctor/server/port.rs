//! The port: what listens on it, and whether that is this registry.

use std::net::SocketAddr;
use std::path::Path;

use rustls_pki_types::ServerName;

use super::certificate::served;
use super::sockets::{PortUse, use_of_port};
use super::{Holder, Subject};
use crate::doctor::finding::Finding;
use crate::doctor::host::presented_at;
use crate::domain::net::local_address;
use crate::pki::{PkiPaths, inspect};

const CHECK: &str = "port";

/// What was found, and the address that the registry listens on, where it does.
pub(super) async fn check(subject: &Subject) -> (Vec<Finding>, Option<SocketAddr>) {
    let listen = subject.config.server.listen;
    match &subject.holder {
        Holder::None => (vec![free(listen)], None),
        Holder::Unknown(_) => (vec![Finding::unknown(CHECK, "it is unknown whether the server runs")], None),
        holder => {
            // There it only answers ACME challenges.
            let acme = &subject.config.acme;
            let other = acme.is_enabled().then(|| acme.http_listen.port());
            let address = listening(holder, listen, other);
            let finding = ours(subject, address).await;
            (vec![finding], Some(address))
        }
    }
}

/// Where the server listens: as the kernel says, since it may have been started with --listen; otherwise as configured.
fn listening(holder: &Holder, configured: SocketAddr, other: Option<u16>) -> SocketAddr {
    let addresses = match holder {
        Holder::Process(process) => process.listens_on(),
        _ => Vec::new(),
    };
    let as_configured = addresses.iter().find(|address| address.port() == configured.port());
    as_configured.or(addresses.iter().find(|address| Some(address.port()) != other)).copied().unwrap_or(configured)
}

/// The server does not run, so its port must be free.
fn free(listen: SocketAddr) -> Finding {
    match use_of_port(listen.port()) {
        PortUse::Free => Finding::ok(CHECK, format!("{listen} is free for the server")),
        taken => {
            let who = match taken {
                PortUse::Process(process) => process.to_string(),
                _ => "a process that is not visible from here".to_owned(),
            };
            Finding::problem(
                CHECK,
                format!("{who} listens on port {} and is not this registry", listen.port()),
                "the server cannot start there",
                "stop that process, or choose another port: server.listen in the configuration, or portcullis serve --listen ADDR:PORT",
            )
        }
    }
}

/// The server runs, so its port must present the certificate of the data directory.
async fn ours(subject: &Subject, address: SocketAddr) -> Finding {
    let name = ServerName::IpAddress(local_address(address).ip().into());
    let presented = match presented_at(local_address(address), name, subject.limit, &subject.clock).await {
        Ok(chain) => chain,
        Err(error) => {
            return Finding::problem(
                CHECK,
                format!("the server runs, but {address} does not complete a TLS handshake: {error}"),
                "no client can reach the registry",
                restart(&subject.data.path),
            );
        }
    };
    let Ok(identity) = served(subject) else {
        return Finding::ok(CHECK, format!("the server listens on {address}"));
    };
    // After a rotation, clients that send no host name get the chain for hosts that trust the previous root.
    let bridge = inspect(&PkiPaths::new(&subject.data.path).cross_signed_chain()).ok();
    let bridge = bridge.and_then(|bridge| bridge.first().map(|leaf| leaf.summary.fingerprint));
    let shown = presented.leaf().fingerprint;
    if shown == identity.summary().fingerprint || Some(shown) == bridge {
        return Finding::ok(
            CHECK,
            format!("the server listens on {address} and presents the certificate in the data directory"),
        );
    }
    Finding::problem(
        CHECK,
        format!(
            "{address} presents another certificate ({}) than the one in the data directory",
            presented.leaf().fingerprint
        ),
        "it is another server, or this one rejected its new certificate files",
        "read the server's log, then make it read the files again: kill -HUP its process",
    )
}

fn restart(data: &Path) -> String {
    format!("read the server's log, then restart it: portcullis serve --data {}", data.display())
}
