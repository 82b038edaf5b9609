//! What nodes agree on. Several processes may work on one database: each keeps caches, and these are what tells it that a cache no longer
//! holds. All of it is kept in the database, because what one process knows is not the truth.

mod effects;
mod moving;
mod versions;

pub(in crate::storage) use effects::Effects;
pub use moving::MovePhase;
pub use versions::Versions;
pub(crate) use versions::{SEEN_WITHIN, seen_by_every_node};
