//! What nodes agree on. Several processes may work on one database: each keeps caches, and the versions here are what tells it that a cache
//! no longer holds; leases say which of them does what only one may do; and each says that it is there. All of it is kept in the database,
//! because what one process knows is not the truth.

mod effects;
mod fence;
mod lease;
mod logins;
mod moving;
mod node;
mod shared_state;
mod versions;

pub(in crate::storage) use effects::Effects;
pub use fence::under;
pub(crate) use fence::{current, under_blocking};
pub use lease::{Lease, Leases};
pub use logins::{AddressFailures, SharedLogins, SharedSource};
pub(crate) use logins::{FAILURES_KEPT, SOURCES_KEPT};
pub use moving::MovePhase;
pub(crate) use node::{BEAT, REMEMBERED, SILENT};
pub use node::{NodeRecord, Nodes};
pub use shared_state::{SealedFiles, SharedState};
pub use versions::Versions;
pub(crate) use versions::{SEEN_BY_NODES_WITHIN, SEEN_WITHIN, seen_everywhere};
