//! Turns at something that only a few may do at the same time. Who asks for many of them waits behind the own ones: of all turns, one
//! holder gets no more than half, so that others wait for a few and not for hundreds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// So many turns at a time.
pub(super) struct Turns {
    all: Semaphore,
    of_one: usize,
    holders: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A turn; over when dropped.
pub(super) struct Turn<'t> {
    _all: Option<SemaphorePermit<'t>>,
    _own: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(super) fn new(count: usize) -> Self {
        Self { all: Semaphore::new(count), of_one: (count / 2).max(1), holders: Mutex::default() }
    }

    /// Waits for a turn of this holder's.
    pub(super) async fn take(&self, holder: &str) -> Turn<'_> {
        // Nothing closes either semaphore.
        let own = self.of_holder(holder).acquire_owned().await.ok();
        Turn { _all: self.all.acquire().await.ok(), _own: own }
    }

    fn of_holder(&self, holder: &str) -> Arc<Semaphore> {
        // Every change is complete in itself, so a panic elsewhere leaves the map sound.
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = holders.get(holder).and_then(Weak::upgrade) {
            return own;
        }
        // As many stay as there are holders that wait or have a turn.
        holders.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(self.of_one));
        holders.insert(holder.to_owned(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_holder_leaves_turns_to_others_however_many_it_asks_for() {
        let turns = Turns::new(4);
        let mut greedy: Vec<_> = (0..100).map(|_| Box::pin(turns.take("greedy"))).collect();
        let held: Vec<_> = greedy.iter_mut().filter_map(|turn| turn.as_mut().now_or_never()).collect();
        assert_eq!(held.len(), 2);
        let others: Vec<_> = ["a", "b", "c"].into_iter().filter_map(|name| turns.take(name).now_or_never()).collect();
        assert_eq!(others.len(), 2, "there are four in all");
        drop(held);
        assert!(turns.take("c").now_or_never().is_some(), "the other turns are given back");
        drop((greedy, others));
        assert_eq!(turns.all.available_permits(), 4);
        drop(turns.take("d").now_or_never());
        assert_eq!(turns.holders.lock().expect("not poisoned").len(), 1, "who is gone is forgotten");
    }
}
