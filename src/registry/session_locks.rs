//! One writer per upload session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::RegistryError;
use crate::domain::UploadId;

/// How long a request waits for the one before it: the client may have given up on that one already, and its last bytes
/// are being written.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many requests wait for one session at most. A client has one at a time, and a second where it has given up on the first.
const WAITING: usize = 2;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// The sessions that are being written to.
#[derive(Default)]
pub(super) struct SessionLocks {
    held: Arc<Mutex<HashMap<UploadId, Lock>>>,
}

/// The right to write to a session, for as long as this lives.
pub(super) struct SessionLock {
    id: UploadId,
    guard: Option<OwnedMutexGuard<()>>,
    held: Arc<Mutex<HashMap<UploadId, Lock>>>,
}

impl SessionLocks {
    /// Waits for its turn; [`RegistryError::UploadBusy`] where it does not come soon, and at once where others wait already: the body
    /// of a request that waits is held somewhere.
    pub(super) async fn acquire(&self, id: UploadId) -> Result<SessionLock, RegistryError> {
        let (lock, mut turn) = self.queue(id);
        // One of these is the map's and one the holder's; this request's is among those that wait.
        if Arc::strong_count(&lock) > 2 + WAITING {
            drop(lock);
            return Err(RegistryError::UploadBusy);
        }
        let guard = tokio::time::timeout(PATIENCE, lock.lock_owned()).await.map_err(|_| RegistryError::UploadBusy)?;
        turn.guard = Some(guard);
        Ok(turn)
    }

    /// The lock if no one holds it now.
    pub(super) fn try_acquire(&self, id: UploadId) -> Option<SessionLock> {
        let (lock, mut turn) = self.queue(id);
        turn.guard = Some(lock.try_lock_owned().ok()?);
        Some(turn)
    }

    fn queue(&self, id: UploadId) -> (Lock, SessionLock) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(held.entry(id).or_default());
        (lock, SessionLock { id, guard: None, held: Arc::clone(&self.held) })
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        // The map holds one; each that waits for it, or holds it, another.
        if held.get(&self.id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            held.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_writer_and_leaves_nothing_behind() {
        let locks = SessionLocks::default();
        let id = UploadId::generate();
        let first = locks.acquire(id).await.expect("free");
        let second = tokio::time::timeout(Duration::from_millis(50), locks.acquire(id)).await;
        assert!(second.is_err(), "the second writer waits");
        drop(first);
        drop(locks.acquire(id).await.expect("free again"));
        assert!(locks.held.lock().expect("not poisoned").is_empty());
    }

    #[tokio::test]
    async fn few_wait_for_a_session_and_the_rest_is_refused_at_once() {
        let locks = Arc::new(SessionLocks::default());
        let id = UploadId::generate();
        let first = locks.acquire(id).await.expect("free");
        let wait = || {
            let locks = Arc::clone(&locks);
            tokio::spawn(async move { locks.acquire(id).await.map(drop) })
        };
        let waiting = [wait(), wait()];
        tokio::task::yield_now().await;
        for _ in 0..46 {
            let refused = tokio::time::timeout(PATIENCE / 2, locks.acquire(id)).await.expect("at once");
            assert!(matches!(refused, Err(RegistryError::UploadBusy)));
        }
        drop(first);
        for request in waiting {
            request.await.expect("no panic").expect("its turn came");
        }
        assert!(locks.held.lock().expect("not poisoned").is_empty());
    }
}
