//! How many uploads may be in progress, and how many of them may write at the same time: in all, and per account or address.
//!
//! An upload holds a write permit only while it has bytes to write, and releases it as soon as it waits for its client; so slow
//! clients keep no one waiting. Each owner has a share of both. Taking and releasing a write permit touches two counters and no lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::error::OciError;
use crate::registry::Owner;

/// Into how many shares the limits are divided.
const SHARES: usize = 4;

/// The limits, and the uploads that are counted against them.
pub(in crate::http) struct UploadLimits {
    writing: Arc<Semaphore>,
    /// The write permits of one owner.
    share: usize,
    /// The uploads of one owner; [`SHARES`] times as many in all.
    under_way: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_owner: HashMap<Owner, Bodies>,
}

struct Bodies {
    count: usize,
    writing: Arc<Semaphore>,
}

/// The right to upload one body; released when dropped.
pub(in crate::http) struct UploadPermit {
    uploads: Arc<UploadLimits>,
    owner: Owner,
    share: Arc<Semaphore>,
    writing: Option<WritePermit>,
}

/// The right to write now.
pub(in crate::http) struct WritePermit {
    _of_share: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl UploadLimits {
    /// Places for `count` bodies that write at the same time.
    pub(in crate::http) fn new(count: usize) -> Arc<Self> {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            writing: Arc::new(Semaphore::new(count)),
            share: (count / SHARES).max(1),
            under_way: count,
            open: Mutex::default(),
        })
    }

    /// A place for one more body of this owner.
    pub(in crate::http) fn open(self: &Arc<Self>, owner: Owner) -> Result<UploadPermit, OciError> {
        let mut open = self.open_bodies();
        let count = open.by_owner.get(&owner).map_or(0, |bodies| bodies.count);
        let message = if count >= self.under_way {
            format!("{owner} has {count} uploads under way, which is the most (limits.concurrent_uploads): try again")
        } else if open.all >= self.under_way.saturating_mul(SHARES) {
            "too many uploads are under way (limits.concurrent_uploads): try again".to_owned()
        } else {
            open.all += 1;
            let share = self.share;
            let new = || Bodies { count: 0, writing: Arc::new(Semaphore::new(share)) };
            let bodies = open.by_owner.entry(owner.clone()).or_insert_with(new);
            bodies.count += 1;
            let share = Arc::clone(&bodies.writing);
            return Ok(UploadPermit { uploads: Arc::clone(self), owner, share, writing: None });
        };
        Err(OciError::too_many(Duration::from_secs(1), message))
    }

    /// Every change is complete in itself, so a panic elsewhere leaves the counts sound.
    fn open_bodies(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UploadPermit {
    /// Takes the right to write, where it can be had at once or is held already.
    pub(in crate::http) fn try_enter(&mut self) -> bool {
        if self.writing.is_none() {
            let of_share = Arc::clone(&self.share).try_acquire_owned();
            let of_all = Arc::clone(&self.uploads.writing).try_acquire_owned();
            if let (Ok(of_share), Ok(of_all)) = (of_share, of_all) {
                self.writing = Some(WritePermit { _of_share: of_share, _of_all: of_all });
            }
        }
        self.writing.is_some()
    }

    /// Waits for the right to write; to be handed to [`UploadPermit::enter`]. `None` never comes: nothing closes the counters.
    pub(in crate::http) fn turn(&self) -> impl Future<Output = Option<WritePermit>> + Send + use<> {
        let (share, all) = (Arc::clone(&self.share), Arc::clone(&self.uploads.writing));
        async move {
            let of_share = share.acquire_owned().await.ok()?;
            let of_all = all.acquire_owned().await.ok()?;
            Some(WritePermit { _of_share: of_share, _of_all: of_all })
        }
    }

    pub(in crate::http) fn enter(&mut self, turn: Option<WritePermit>) {
        self.writing = turn;
    }

    /// Gives up the right to write until there is something to write again.
    pub(in crate::http) fn leave(&mut self) {
        self.writing = None;
    }
}

impl Drop for UploadPermit {
    fn drop(&mut self) {
        let mut open = self.uploads.open_bodies();
        open.all -= 1;
        if let Some(bodies) = open.by_owner.get_mut(&self.owner) {
            bodies.count -= 1;
            if bodies.count == 0 {
                open.by_owner.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Owner {
        Owner::Account(name.parse().expect("a name"))
    }

    fn open(uploads: &Arc<UploadLimits>, name: &str, count: usize) -> Vec<UploadPermit> {
        (0..count).map(|_| uploads.open(user(name)).expect("a place")).collect()
    }

    #[test]
    fn one_owner_fills_only_a_share() {
        let uploads = UploadLimits::new(8);
        let mut mine = open(&uploads, "alice", 8);
        assert!(uploads.open(user("alice")).is_err(), "as many as may write");
        assert_eq!(
            mine.iter_mut().filter_map(|permit| permit.try_enter().then_some(())).count(),
            2,
            "a quarter writes"
        );
        let mut others = open(&uploads, "bob", 1);
        assert!(others[0].try_enter());
        drop((mine, others));
        let left = uploads.open_bodies();
        assert_eq!((left.all, left.by_owner.len(), uploads.writing.available_permits()), (0, 0, 8));
    }

    #[test]
    fn there_is_a_most_in_all() {
        let uploads = UploadLimits::new(2);
        let held: Vec<UploadPermit> = ["a", "b", "c", "d"].iter().flat_map(|name| open(&uploads, name, 2)).collect();
        assert!(uploads.open(user("e")).is_err());
        drop(held);
        assert!(uploads.open(user("e")).is_ok());
    }

    #[tokio::test]
    async fn a_place_that_is_given_up_goes_to_the_next() {
        let uploads = UploadLimits::new(1);
        let (mut first, mut second) = (open(&uploads, "alice", 1), open(&uploads, "bob", 1));
        assert!(first[0].try_enter() && first[0].try_enter(), "held already");
        assert!(!second[0].try_enter());
        let turn = tokio::spawn(second[0].turn());
        first[0].leave();
        second[0].enter(turn.await.expect("no panic"));
        assert!(second[0].try_enter() && !first[0].try_enter());
    }
}
