//! What nodes tell each other about logins, so that limits count over all of them: wrong passwords by address, and from where an account's
//! right password came. Each node counts in memory, tells what is new about once a second, and reads what the others have told; so those who
//! guess gain no more than one second on each node.

use async_trait::async_trait;

use crate::domain::Network;
use crate::storage::StorageError;

/// How many seconds wrong passwords of an address are kept.
pub(crate) const FAILURES_KEPT: i64 = 120;
/// How many seconds a source is kept.
pub(crate) const SOURCES_KEPT: i64 = 24 * 60 * 60;

/// Wrong passwords that a node has counted for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFailures {
    /// The second in which they were told, since the Unix epoch. Their number grows until it is over.
    pub second: i64,
    /// Where they came from.
    pub network: Network,
    /// Who has counted them.
    pub node: String,
    /// How many.
    pub failures: u32,
}

/// From where a right password of an account came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedSource {
    /// The keyed hash of the account's name.
    pub name_hash: [u8; 32],
    /// The address.
    pub network: Network,
}

/// What nodes tell each other about logins. Nothing of it is worth a sync: what a power cut loses is counted again.
#[async_trait]
pub trait SharedLogins {
    /// Tells what `node` has counted since it told last, and forgets what is old.
    async fn share_logins(
        &self,
        node: &str,
        failures: Vec<(Network, u32)>,
        sources: Vec<SharedSource>,
    ) -> Result<(), StorageError>;

    /// What other nodes than `node` have told since this second.
    async fn address_failures_of_others(&self, node: &str, since: i64) -> Result<Vec<AddressFailures>, StorageError>;

    /// Up to `limit` sources that any node has told since this second.
    async fn shared_sources(&self, since: i64, limit: u32) -> Result<Vec<SharedSource>, StorageError>;
}
