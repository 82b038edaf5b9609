//! This node among those of its registry: the row that says that it is there, from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::domain::Clock;
use crate::jobs::{Heartbeat, Leaseholder, Settings};
use crate::storage::StorageError;
use crate::storage::coordination::NodeRecord;
use crate::storage::metadata::Metadata;
use crate::tls::ClientVerifier;

const PATIENCE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Clone)]
pub(super) struct Presence {
    store: Arc<dyn Metadata>,
    node: NodeRecord,
    settings: Settings,
    clock: Clock,
}

impl Presence {
    /// Says that this node is there.
    pub(super) async fn enter(
        store: Arc<dyn Metadata>,
        config: &Config,
        address: SocketAddr,
        clients: Option<Arc<ClientVerifier>>,
        clock: Clock,
    ) -> Result<Self, StorageError> {
        let settings = settings_in_common(config, clients);
        let now = clock.seconds();
        let node = NodeRecord {
            id: Uuid::new_v4().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: public_address(address),
            started_at: now,
            seen_at: now,
            leaving: false,
            clock_ahead: clock.machine_ahead(),
            settings: settings(),
        };
        if !store.serves_many_nodes() {
            // Rows that a crash left: this process has the lock of the data directory.
            for other in store.nodes().await? {
                store.remove_node(&other.id).await?;
            }
        }
        store.beat(&node).await?;
        Ok(Self { store, node, settings, clock })
    }

    /// What tells others that this node is still there, if there can be others.
    pub(super) fn heartbeat(&self, leaving: &CancellationToken) -> Option<Heartbeat> {
        let (store, node, clock) = (Arc::clone(&self.store), self.node.clone(), self.clock.clone());
        let settings = Arc::clone(&self.settings);
        self.store.serves_many_nodes().then(|| Heartbeat::new(store, node, settings, leaving.clone(), clock))
    }

    /// In whose name leases are taken, if there can be others.
    pub(super) fn leaseholder(&self, leaving: &CancellationToken) -> Option<Leaseholder> {
        let (store, id) = (Arc::clone(&self.store), self.node.id.clone());
        let (clock, leaving) = (self.clock.clone(), leaving.clone());
        self.store.serves_many_nodes().then_some(Leaseholder { store, id, clock, leaving })
    }

    /// Says that this node is about to stop.
    pub(super) async fn leave(&self) {
        let leaving = NodeRecord { leaving: true, settings: (self.settings)(), ..self.node.clone() };
        if let Err(error) = in_time(self.store.beat(&leaving)).await {
            tracing::warn!(%error, "the other nodes could not be told that this one is about to stop");
        }
    }

    /// This node has stopped.
    pub(super) async fn end(&self) {
        if let Err(error) = in_time(self.store.remove_node(&self.node.id)).await {
            tracing::warn!(%error, "this node stays in the list of nodes for an hour");
        }
    }
}

/// What every node must have in common: settings by their values, and CAs and revocation lists of client certificates by what counts of
/// them now, because on one node alone they would let in those whom the others refuse.
fn settings_in_common(config: &Config, clients: Option<Arc<ClientVerifier>>) -> Settings {
    let settings = config.in_common();
    Arc::new(move || {
        let digests = clients.as_ref().map(|clients| clients.digests());
        let authorities = digests.as_ref().map(|digests| &digests.authorities);
        let lists = digests.as_ref().and_then(|digests| digests.lists.as_ref());
        let contents = [("client_certificates.ca", authorities), ("client_certificates.crl", lists)];
        let contents = contents
            .map(|(key, digest)| (key.to_owned(), digest.map_or_else(|| "none".to_owned(), ToString::to_string)));
        settings.clone().into_iter().chain(contents).collect()
    })
}

/// No end waits long for a database that does not answer.
async fn in_time(write: impl Future<Output = Result<(), StorageError>>) -> Result<(), StorageError> {
    let written = tokio::time::timeout(PATIENCE, write).await;
    written.unwrap_or_else(|_| Err(StorageError::Busy("the metadata database does not answer".to_owned())))
}

/// An address that tells machines apart, also where the node listens on all of its own.
fn public_address(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), address.port())
}
