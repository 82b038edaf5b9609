//! What a move to other storage asks of a database, next to the rows themselves ([`super::transfer`]).

use async_trait::async_trait;

use super::BlobRecord;
use crate::domain::Digest;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::coordination::MovePhase;

/// All blobs that a database has, whichever repositories they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobTotals {
    /// How many.
    pub count: u64,
    /// Their lengths together.
    pub bytes: u64,
}

/// The phases of a move, and which contents have arrived.
#[async_trait]
pub trait Moves {
    /// Where the database is between one storage and another.
    async fn move_phase(&self) -> Result<MovePhase, StorageError>;

    /// Sets that. From the moment at which this returns, no change is committed that the phase forbids, except those that were being
    /// committed: [`super::transfer::Tables::settle`] waits for them.
    async fn set_move_phase(&self, phase: MovePhase) -> Result<(), StorageError>;

    /// How many blobs there are.
    async fn blob_totals(&self) -> Result<BlobTotals, StorageError>;

    /// The first `limit` blobs of all repositories after this digest, in the order of digests.
    async fn all_blobs(&self, after: Option<&Digest>, limit: u32) -> Result<Vec<BlobRecord>, StorageError>;

    /// Which of these contents have arrived in this database's blob store, and their keys there.
    async fn arrived(&self, digests: Vec<Digest>) -> Result<Vec<(Digest, BlobKey)>, StorageError>;

    /// Takes note of a content that has arrived.
    async fn note_arrival(&self, digest: &Digest, key: &BlobKey) -> Result<(), StorageError>;

    /// Contents that have arrived, though no blob is called so any more.
    async fn needless_arrivals(&self, limit: u32) -> Result<Vec<(Digest, BlobKey)>, StorageError>;

    /// Forgets one of them.
    async fn forget_arrival(&self, digest: &Digest) -> Result<(), StorageError>;
}
