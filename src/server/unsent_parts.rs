//! Which parts of responses wait for the peer to read them, oldest first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::activity::now;

/// The unsent parts of one connection, or of one stream of HTTP/2.
#[derive(Debug, Default)]
pub(super) struct UnsentParts(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    /// Since when each part waits. The numbers rise, so the first one is the oldest.
    since: BTreeMap<u64, u64>,
}

/// One part; sent when dropped.
#[derive(Debug)]
pub(super) struct UnsentPart {
    unsent: Arc<UnsentParts>,
    number: u64,
}

impl UnsentParts {
    /// A part waits from now on.
    pub(super) fn add(self: &Arc<Self>) -> UnsentPart {
        let mut list = self.list();
        let number = list.next;
        list.next += 1;
        list.since.insert(number, now());
        drop(list);
        UnsentPart { unsent: Arc::clone(self), number }
    }

    /// Since when the oldest part waits.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.list().since.first_key_value().map(|(_, since)| *since)
    }

    /// Each change is complete in itself, so a panic elsewhere leaves the list sound.
    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnsentPart {
    fn drop(&mut self) {
        self.unsent.list().since.remove(&self.number);
    }
}
