//! This node among those of its registry: the row that says that it is there, from its start to its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::domain::{Algorithm, Clock, Hasher};
use crate::jobs::{Heartbeat, Leaseholder};
use crate::storage::StorageError;
use crate::storage::coordination::NodeRecord;
use crate::storage::metadata::Metadata;

const PATIENCE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Clone)]
pub(super) struct Presence {
    store: Arc<dyn Metadata>,
    node: NodeRecord,
    clock: Clock,
}

impl Presence {
    /// Says that this node is there.
    pub(super) async fn enter(
        store: Arc<dyn Metadata>,
        config: &Config,
        address: SocketAddr,
        clock: Clock,
    ) -> Result<Self, StorageError> {
        let now = clock.seconds();
        let node = NodeRecord {
            id: Uuid::new_v4().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: public_address(address),
            started_at: now,
            seen_at: now,
            leaving: false,
            clock_ahead: clock.machine_ahead(),
            settings: settings_in_common(config),
        };
        if !store.serves_many_nodes() {
            // Rows that a crash left: this process has the lock of the data directory.
            for other in store.nodes().await? {
                store.remove_node(&other.id).await?;
            }
        }
        store.beat(&node).await?;
        Ok(Self { store, node, clock })
    }

    /// What tells others that this node is still there, if there can be others.
    pub(super) fn heartbeat(&self, leaving: &CancellationToken) -> Option<Heartbeat> {
        let (store, node, clock) = (Arc::clone(&self.store), self.node.clone(), self.clock.clone());
        self.store.serves_many_nodes().then(|| Heartbeat::new(store, node, leaving.clone(), clock))
    }

    /// In whose name leases are taken, if there can be others.
    pub(super) fn leaseholder(&self, leaving: &CancellationToken) -> Option<Leaseholder> {
        let (store, id) = (Arc::clone(&self.store), self.node.id.clone());
        let (clock, leaving) = (self.clock.clone(), leaving.clone());
        self.store.serves_many_nodes().then_some(Leaseholder { store, id, clock, leaving })
    }

    /// Says that this node is about to stop.
    pub(super) async fn leave(&self) {
        let leaving = NodeRecord { leaving: true, ..self.node.clone() };
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

/// What every node must have in common: settings by their values, and the CA of client certificates by its content, because on one node
/// alone it would let in those whom the others refuse.
fn settings_in_common(config: &Config) -> BTreeMap<String, String> {
    let mut settings = config.in_common();
    let content = config.client_certificates.ca.as_deref().map(std::fs::read);
    // What cannot be read is reported where it is used.
    let digest = content.map(|content| content.map(|content| Hasher::digest(Algorithm::Sha256, &content).to_string()));
    let digest = digest.transpose().ok().flatten().unwrap_or_else(|| "none".to_owned());
    settings.insert("client_certificates.ca".to_owned(), digest);
    settings
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
