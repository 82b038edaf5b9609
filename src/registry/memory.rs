//! A budget of memory for what is held whole: bodies that are gathered, and answers that wait to be taken.
//!
//! Bytes are counted as they come, not as they are announced. No owner gets more than a share; and where clients that have not logged in can fill
//! memory without a right to anything, all of them together get no more than one share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Owner;

/// Into how many shares a budget is divided.
const SHARES: usize = 4;

/// A number of bytes that requests share.
#[derive(Debug)]
pub struct MemoryBudget {
    total: usize,
    share: usize,
    /// What those who have not logged in get together.
    anonymous: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    all: usize,
    anonymous: usize,
    by_owner: HashMap<Owner, usize>,
}

/// Why no memory is left for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfMemory {
    /// The owner's other requests hold all that one owner may have.
    #[error(
        "your other requests hold as much memory as one account or address may have at once: finish them first, or raise limits.body_memory"
    )]
    Share,
    /// All requests together hold all of it.
    #[error("the server's memory for requests is in use: try again in a moment, or raise limits.body_memory")]
    Total,
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub struct Reserved {
    budget: Arc<MemoryBudget>,
    owner: Owner,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `total` bytes. A share is at least `least`, the largest thing that one request may need.
    pub fn new(total: usize, least: usize) -> Arc<Self> {
        let share = (total / SHARES).max(least);
        Arc::new(Self { total: total.max(least), share, anonymous: share, used: Mutex::default() })
    }

    /// The same, in which clients that have not logged in count like users, each address with a share of its own.
    pub fn open_to_anonymous(total: usize, least: usize) -> Arc<Self> {
        let (total, share) = (total.max(least), (total / SHARES).max(least));
        Arc::new(Self { total, share, anonymous: total, used: Mutex::default() })
    }

    /// Nothing yet, to be grown.
    pub fn open(self: &Arc<Self>, owner: Owner) -> Reserved {
        Reserved { budget: Arc::clone(self), owner, bytes: 0 }
    }

    /// Every change is complete in itself, so a panic elsewhere leaves the counts sound.
    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved {
    /// Counts `bytes` more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        let (total, share) = (self.budget.total, self.budget.share);
        let mut used = self.budget.used();
        let own = used.by_owner.get(&self.owner).copied().unwrap_or_default();
        if own + bytes > share {
            return Err(OutOfMemory::Share);
        }
        let anonymous = self.owner.is_anonymous();
        if used.all + bytes > total || (anonymous && used.anonymous + bytes > self.budget.anonymous) {
            return Err(OutOfMemory::Total);
        }
        used.all += bytes;
        used.anonymous += if anonymous { bytes } else { 0 };
        used.by_owner.insert(self.owner.clone(), own + bytes);
        drop(used);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut used = self.budget.used();
        used.all -= self.bytes;
        if self.owner.is_anonymous() {
            used.anonymous -= self.bytes;
        }
        if let Some(own) = used.by_owner.get_mut(&self.owner) {
            *own -= self.bytes;
            if *own == 0 {
                used.by_owner.remove(&self.owner);
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

    fn anonymous(last: u8) -> Owner {
        Owner::of(None, [192, 0, 2, last].into())
    }

    #[test]
    fn an_owner_has_a_share_and_gets_it_back() {
        let budget = MemoryBudget::new(400, 10);
        let mut first = budget.open(user("alice"));
        first.grow(60).expect("room");
        let mut second = budget.open(user("alice"));
        assert_eq!(second.grow(50), Err(OutOfMemory::Share));
        second.grow(40).expect("exactly the share");
        budget.open(user("bob")).grow(100).expect("a share of their own");
        drop((first, second));
        let used = budget.used();
        assert_eq!((used.all, used.by_owner.len()), (0, 0));
    }

    #[test]
    fn clients_that_have_not_logged_in_have_one_share_together_and_users_the_rest() {
        let budget = MemoryBudget::new(400, 10);
        let mut held: Vec<Reserved> = (0..5).map(|n| budget.open(anonymous(n))).collect();
        let granted = held.iter_mut().filter_map(|reserved| reserved.grow(25).ok()).count();
        assert_eq!(granted, 4);
        budget.open(user("alice")).grow(100).expect("users are not kept out");
    }

    #[test]
    fn the_total_bounds_all() {
        let budget = MemoryBudget::new(100, 60);
        let mut alice = budget.open(user("alice"));
        alice.grow(60).expect("a share is at least this");
        assert_eq!(budget.open(user("bob")).grow(60), Err(OutOfMemory::Total));
    }
}
