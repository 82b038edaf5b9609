//! How many requests may be in progress at once: in all, and from one address. Each may hold memory and files for as long as its client
//! reads the response slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::net::network::Network;

/// Counts requests.
#[derive(Debug)]
pub(super) struct RequestLimit {
    total: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    count: usize,
    by_address: HashMap<Network, usize>,
}

/// The right of one request to be worked on; given back when dropped.
#[derive(Debug)]
pub(super) struct RequestPermit {
    requests: Arc<RequestLimit>,
    address: Network,
}

impl RequestLimit {
    pub(super) fn new(total: usize) -> Self {
        Self { total: total.max(1), table: Mutex::default() }
    }

    /// A permit for a request from the address, which gets at most half of all.
    pub(super) fn admit(self: &Arc<Self>, address: Network) -> Option<RequestPermit> {
        let mut table = self.table();
        let share = self.total.div_ceil(2);
        if table.count >= self.total || table.by_address.get(&address).is_some_and(|count| *count >= share) {
            return None;
        }
        table.count += 1;
        *table.by_address.entry(address).or_default() += 1;
        drop(table);
        Some(RequestPermit { requests: Arc::clone(self), address })
    }

    /// Each change is complete in itself, so a panic elsewhere leaves the count sound.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let mut table = self.requests.table();
        table.count -= 1;
        if let Some(count) = table.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_half_and_all_have_no_more_than_all() {
        let requests = Arc::new(RequestLimit::new(4));
        let admit = |last: u8| requests.admit(Network::of([10, 0, 0, last].into()));
        let (first, second) = (admit(1).expect("room"), admit(1).expect("room"));
        assert!(admit(1).is_none(), "its half is taken");
        let (third, fourth) = (admit(2).expect("room"), admit(3).expect("room"));
        assert!(admit(4).is_none(), "all are taken");
        drop(first);
        assert!(admit(4).is_some());
        drop((second, third, fourth));
        assert!(requests.table().by_address.is_empty() && requests.table().count == 0);
    }
}
