//! The right to do what only one node may do at a time: rotating keys, ordering certificates, dropping what expired.
//!
//! Who has it is decided by one row of the database, and time by the clock that all nodes follow; no lock is held by a connection, so that a
//! pooler may stand between. A lease runs out by itself, so a holder may lose it without noticing: while its process was paused, or the
//! database away. That is why each has a token that grows with each time it is taken: what is written [under a lease](super::under)
//! is refused, in the transaction that writes it, once the lease was taken by another.

use std::time::Duration;

use async_trait::async_trait;

use crate::storage::StorageError;

/// A lease, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is the right to do.
    pub name: String,
    /// The id of the node (or the other process) that has it; empty where it was given back.
    pub holder: String,
    /// Grows with each time that it is taken, never with a renewal.
    pub token: i64,
    /// When it runs out, in milliseconds since the Unix epoch.
    pub until: i64,
}

/// Leases by name. None needs to be created.
#[async_trait]
pub trait Leases {
    /// Takes the lease for this long, unless another holder has it. One that has it already gets a new token.
    async fn take_lease(&self, name: &str, holder: &str, time: Duration) -> Result<Option<Lease>, StorageError>;

    /// Extends the lease to this long from now. `None` where it was taken by another or given back; one that has run out can be renewed
    /// until then.
    async fn renew_lease(&self, lease: &Lease, time: Duration) -> Result<Option<Lease>, StorageError>;

    /// Gives the lease back, so that another can take it at once. `false` where it was not held any more.
    async fn release_lease(&self, lease: &Lease) -> Result<bool, StorageError>;

    /// Every lease that was ever taken, by name; those that have run out or were given back too.
    async fn leases(&self) -> Result<Vec<Lease>, StorageError>;
}
