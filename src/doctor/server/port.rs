//! The port: whether something listens there, whether it is this registry, and who it is otherwise.

use std::net::SocketAddr;
use std::path::Path;

use rustls_pki_types::ServerName;

use super::certificate::served;
use super::sockets::{Port, holder_of};
use super::{Holder, Subject};
use crate::doctor::finding::Finding;
use crate::doctor::host::presented_at;
use crate::node::health::local;
use crate::pki::{TlsPaths, inspect};

const CHECK: &str = "port";

/// What was found, and the address that the registry listens on, where it does.
pub(crate) async fn check(subject: &Subject) -> (Vec<Finding>, Option<SocketAddr>) {
    let listen = subject.config.server.listen;
    match &subject.holder {
        Holder::Nobody => (vec![free(listen)], None),
        Holder::Unknown(_) => (vec![Finding::unknown(CHECK, "it cannot be told whether the server runs")], None),
        holder => {
            // Where it only answers challenges.
            let acme = &subject.config.acme;
            let other = acme.is_enabled().then(|| acme.http_listen.port());
            let address = listening(holder, listen, other);
            let finding = ours(subject, address).await;
            (vec![finding], Some(address))
        }
    }
}

/// Where the serving process listens: as the kernel says, for it may have been started with --listen; else as configured.
fn listening(holder: &Holder, configured: SocketAddr, other: Option<u16>) -> SocketAddr {
    let addresses = match holder {
        Holder::Process(process) => process.listens_on(),
        _ => Vec::new(),
    };
    let as_configured = addresses.iter().find(|address| address.port() == configured.port());
    as_configured.or(addresses.iter().find(|address| Some(address.port()) != other)).copied().unwrap_or(configured)
}

/// The server does not run: its port must be free for it.
fn free(listen: SocketAddr) -> Finding {
    match holder_of(listen.port()) {
        Port::Free => Finding::ok(CHECK, format!("{listen} is free for the server")),
        taken => {
            let who = match taken {
                Port::Of(process) => process.to_string(),
                _ => "a process that is not seen from here".to_owned(),
            };
            Finding::problem(
                CHECK,
                format!("{who} listens on the port {} and is not this registry", listen.port()),
                "the server cannot start there",
                "stop that process, or choose another port: server.listen in the configuration, or portcullis serve --listen ADDR:PORT",
            )
        }
    }
}

/// The server runs: what answers on its port must present the certificate of the data directory.
async fn ours(subject: &Subject, address: SocketAddr) -> Finding {
    let name = ServerName::IpAddress(local(address).ip().into());
    let presented = match presented_at(local(address), name, subject.limit).await {
        Ok(chain) => chain,
        Err(error) => {
            return Finding::problem(
                CHECK,
                format!("the server runs, but {address} does not complete a TLS handshake: {error}"),
                "no client reaches the registry",
                restart(subject.data.path()),
            );
        }
    };
    let Ok(identity) = served(subject) else {
        return Finding::ok(CHECK, format!("the server listens on {address}"));
    };
    // After a rotation, who names no host is shown the certificate for those that trust the root before.
    let bridge = inspect(&TlsPaths::new(subject.data.path()).bridge_chain()).ok();
    let bridge = bridge.and_then(|bridge| bridge.first().map(|leaf| leaf.summary.fingerprint));
    let shown = presented.leaf().fingerprint;
    if shown == identity.summary().fingerprint || Some(shown) == bridge {
        return Finding::ok(CHECK, format!("the server listens on {address} and presents the certificate on the disk"));
    }
    Finding::problem(
        CHECK,
        format!(
            "what answers on {address} presents another certificate ({}) than the one on the disk",
            presented.leaf().fingerprint
        ),
        "it is another server, or this one refused a change of its certificate files",
        "read the server's log, then let it read the files again: kill -HUP its process",
    )
}

fn restart(data: &Path) -> String {
    format!("read the server's log; then start it anew: portcullis serve --data {}", data.display())
}
