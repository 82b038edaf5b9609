//! What is written under a lease. The work of a lease's holder runs inside [`under`]; every write of the metadata store that it makes then
//! checks, in its own transaction, that no one else has taken the lease. It is not an argument of the operations, so that none of them can
//! be called without it.

use std::future::Future;

use super::Lease;

tokio::task_local! {
    static FENCE: Lease;
}

/// Runs `work` under the lease: writes of the metadata store fail with [`StorageError::Superseded`](crate::storage::StorageError) once
/// another has taken it. Work that is spawned is not part of it.
pub async fn under<F: Future>(lease: Lease, work: F) -> F::Output {
    FENCE.scope(lease, work).await
}

/// The same for work that blocks.
pub(crate) fn under_blocking<T>(lease: Lease, work: impl FnOnce() -> T) -> T {
    FENCE.sync_scope(lease, work)
}

/// The lease that this task works under.
pub(crate) fn current() -> Option<Lease> {
    FENCE.try_with(Lease::clone).ok()
}
