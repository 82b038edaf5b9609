//! The nodes of a registry: those that serve from one database, as each says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::storage::StorageError;

/// How often a node says that it is there.
pub(crate) const BEAT: Duration = Duration::from_secs(5);
/// A node that was not seen for longer is taken for dead.
pub(crate) const SILENT: Duration = Duration::from_secs(15);
/// How long a dead node is remembered, unless another has its address.
pub(crate) const REMEMBERED: Duration = Duration::from_hours(1);

/// A node. Times are whole seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Drawn when it starts.
    pub id: String,
    /// The version of the program.
    pub version: String,
    /// Where it listens.
    pub address: String,
    /// When it started.
    pub started_at: i64,
    /// When it was there last; written by the store.
    pub seen_at: i64,
    /// Whether it is about to stop.
    pub leaving: bool,
    /// By how many milliseconds the date of its machine is ahead of the clock that all nodes follow; negative where it is behind.
    pub clock_ahead: i64,
    /// The settings that must be the same on every node, by key.
    pub settings: BTreeMap<String, String>,
}

/// The nodes of a registry.
#[async_trait]
pub trait Nodes {
    /// Whether several nodes may serve from this store at the same time.
    fn serves_many_nodes(&self) -> bool;

    /// Lets the store's clock (and all copies of it) follow the one that all nodes share, if there is one, so that no node's wrong date
    /// changes anything. To be repeated: clocks differ by a little in a day.
    async fn follow_shared_clock(&self) -> Result<(), StorageError>;

    /// Says that a node is there, and whether it is leaving. Forgets dead nodes after a while, and at once where this one has their address.
    async fn beat(&self, node: &NodeRecord) -> Result<(), StorageError>;

    /// Forgets a node that has stopped.
    async fn remove_node(&self, id: &str) -> Result<(), StorageError>;

    /// The nodes that are there or were there a while ago, by address.
    async fn nodes(&self) -> Result<Vec<NodeRecord>, StorageError>;
}
