//! The state of all nodes.

use super::{Difference, differences};
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::storage::coordination::{Lease, NodeRecord, SILENT};

/// The nodes of a registry at one moment.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<NodeState>,
    /// Leases that are held.
    pub(crate) leases: Vec<HeldLease>,
    /// Settings that differ and must not.
    pub(crate) differences: Vec<Difference>,
    /// The date and time that all nodes go by, in seconds since the Unix epoch.
    pub(crate) now: i64,
}

/// A node.
pub(crate) struct NodeState {
    pub(crate) record: NodeRecord,
    pub(crate) state: State,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It serves.
    Serving,
    /// It is about to stop.
    Leaving,
    /// It says nothing, so it is taken for dead.
    Silent,
}

/// A lease with the address of its holder.
pub(crate) struct HeldLease {
    pub(crate) lease: Lease,
    /// Where the holder listens; its id if it is not a node.
    pub(crate) address: String,
}

impl State {
    /// In one word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Leaving => "leaving",
            Self::Silent => "silent",
        }
    }
}

impl Administration {
    /// Who serves the registry.
    pub(crate) async fn cluster(&self, _permit: &AdminPermit) -> Result<Cluster, AdminError> {
        let (nodes, leases) = (self.metadata.nodes().await?, self.metadata.leases().await?);
        let now = self.clock.now();
        let held = leases.into_iter().filter(|lease| !lease.holder.is_empty() && lease.until > now.as_millisecond());
        let leases = held.map(|lease| held_lease(lease, &nodes)).collect();
        // A node on a database of its own says that it is there when it starts and no more.
        let beats = self.metadata.serves_many_nodes();
        let nodes: Vec<NodeState> = nodes.into_iter().map(|node| state_of(node, now.as_second(), beats)).collect();
        let living = nodes.iter().filter(|node| node.state != State::Silent).map(|node| node.record.clone());
        let differences = differences(&living.collect::<Vec<_>>());
        Ok(Cluster { nodes, leases, differences, now: now.as_second() })
    }
}

fn state_of(record: NodeRecord, now: i64, beats: bool) -> NodeState {
    let silent = beats && now.saturating_sub(record.seen_at).unsigned_abs() > SILENT.as_secs();
    let state = match (record.leaving, silent) {
        (true, _) => State::Leaving,
        (false, true) => State::Silent,
        (false, false) => State::Serving,
    };
    NodeState { record, state }
}

fn held_lease(lease: Lease, nodes: &[NodeRecord]) -> HeldLease {
    let holder = nodes.iter().find(|node| node.id == lease.holder);
    let address = holder.map_or_else(|| lease.holder.clone(), |node| node.address.clone());
    HeldLease { lease, address }
}
