//! Work under way that equal requests share: verifying a password, reading an account's policy.
//!
//! Ours, because `moka::future::Cache::get_with` keeps what it made, starts the work again when the first of its callers is cancelled, and
//! does not tell the one who started it from those who joined. This keeps nothing; the work ends when no one waits for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// See the module.
pub(super) struct InFlight<K, T: Clone>(Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>>>);

/// Work that any number of callers wait for.
pub(super) struct Joined<T: Clone> {
    /// Ends with what the work makes.
    pub(super) work: Shared<BoxFuture<'static, T>>,
    /// Whether it was under way before.
    pub(super) was_under_way: bool,
}

impl<K, T: Clone> Default for InFlight<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T: Clone> InFlight<K, T> {
    /// The work under way for `key`, else what `start` makes.
    pub(super) fn join_or_start<F>(&self, key: K, start: impl FnOnce() -> F) -> Joined<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = running.get(&key).and_then(WeakShared::upgrade) {
            return Joined { work, was_under_way: true };
        }
        // Each caller holds the work; what no one waits for is forgotten, so there are no more entries than callers.
        running.retain(|_, work| work.upgrade().is_some());
        let work = start().boxed().shared();
        running.extend(work.downgrade().map(|weak| (key, weak)));
        Joined { work, was_under_way: false }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn equal_requests_share_work_that_outlives_the_one_who_started_it() {
        let (in_flight, started, go) =
            (InFlight::<u8, u32>::default(), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let join = |key| {
            let (started, go) = (Arc::clone(&started), Arc::clone(&go));
            in_flight.join_or_start(key, || async move {
                let number = started.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                number
            })
        };
        let (mut first, second) = (join(1), join(1));
        assert!(!first.was_under_way && second.was_under_way && !join(2).was_under_way);
        assert!(first.work.clone().now_or_never().is_none(), "started");
        first.work = join(2).work;
        go.notify_one();
        assert_eq!(second.work.await, 0, "the one who started it has left");
        assert!(!join(1).was_under_way, "nothing is kept");
    }
}
