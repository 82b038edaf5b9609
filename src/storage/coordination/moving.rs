//! Whether a registry is on its way to other storage. It is written in the database, so that every process that works there obeys it: no
//! change of what the registry has is committed while it is frozen.

use crate::storage::StorageError;

/// Where a database is between one storage and another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MovePhase {
    /// Nowhere: it is in use.
    #[default]
    Settled,
    /// What changes last is being copied to this place: nothing may be changed.
    Leaving(String),
    /// It was moved to this place, where changes are made from now on.
    Left(String),
    /// It is being filled with the registry of this instance, and of no use before that has ended.
    Arriving(String),
}

impl MovePhase {
    /// As it is stored: a number, and the other side.
    pub(in crate::storage) fn parts(&self) -> (i64, &str) {
        match self {
            Self::Settled => (0, ""),
            Self::Leaving(to) => (1, to),
            Self::Left(to) => (2, to),
            Self::Arriving(from) => (3, from),
        }
    }

    /// As it was stored.
    pub(in crate::storage) fn of_parts(number: i64, peer: &str) -> Result<Self, StorageError> {
        let peer = peer.to_owned();
        match number {
            0 => Ok(Self::Settled),
            1 => Ok(Self::Leaving(peer)),
            2 => Ok(Self::Left(peer)),
            3 => Ok(Self::Arriving(peer)),
            other => {
                Err(StorageError::Damaged(format!("a row of the metadata database: {other} is not a phase of a move")))
            }
        }
    }

    /// Refuses changes, but for a registry that is in use.
    pub fn require_settled(&self) -> Result<(), StorageError> {
        match self {
            Self::Settled => Ok(()),
            Self::Leaving(_) => Err(StorageError::Frozen(
                "this registry is being moved to other storage: nothing can be changed for a moment; try again",
            )),
            Self::Left(_) => Err(StorageError::Frozen(
                "this registry was moved to other storage: changes are made there from now on, and nothing can be changed here",
            )),
            Self::Arriving(_) => Err(StorageError::Frozen(
                "this database is being filled by `portcullis migrate-storage`: wait until that has ended",
            )),
        }
    }
}
