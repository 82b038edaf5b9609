//! Versions by which a cache finds out whether what it holds is still true.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::RepositoryName;
use crate::storage::StorageError;

/// How late a process sees that a repository has changed, at most: its generation is not asked for more often than that.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_millis(50);
/// The same with other nodes, whose writes wait for it.
pub(crate) const SEEN_BY_NODES_WITHIN: Duration = Duration::from_millis(20);

/// Waits until every process sees what has been committed: to be called before a change is reported that every request which follows is
/// to see.
pub(crate) async fn seen_everywhere(many_nodes: bool) {
    tokio::time::sleep(if many_nodes { SEEN_BY_NODES_WITHIN } else { SEEN_WITHIN }).await;
}

/// Numbers that grow in the transaction of each change, whichever process makes it.
#[async_trait]
pub trait Versions {
    /// Grows with every change of users, grants or keys; policy is read again when it does.
    async fn policy_version(&self) -> Result<i64, StorageError>;

    /// Grows with every write that changes what can be read of the repository, and never returns to an earlier value, not even where
    /// the repository is removed and created again. `None` where it does not exist.
    async fn generation(&self, name: &RepositoryName) -> Result<Option<i64>, StorageError>;
}
