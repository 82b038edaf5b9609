//! The nodes of the registry: who is there, who runs what only one runs, and what they disagree on.

mod difference;
mod status;

pub(crate) use difference::{Difference, differences};
pub(crate) use status::{Cluster, HeldLease, NodeState, State};
