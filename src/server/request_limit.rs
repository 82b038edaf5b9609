//! How many requests may be in progress at once: in all, and from one address. Each may hold memory and files for as long as its client
//! reads the response slowly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::domain::net::network::Network;

/// Counts requests.
#[derive(Debug)]
pub(super) struct RequestLimit {
    total: usize,
    count: AtomicUsize,
    /// Of the addresses that have connections.
    shares: Mutex<HashMap<Network, Weak<AddressShare>>>,
}

/// The requests of one address. Its connections hold it, so that a request takes no lock.
#[derive(Debug)]
pub(super) struct AddressShare {
    requests: Arc<RequestLimit>,
    address: Network,
    count: AtomicUsize,
}

/// The right of one request to be worked on; given back when dropped.
#[derive(Debug)]
pub(super) struct RequestPermit(Arc<AddressShare>);

impl RequestLimit {
    pub(super) fn new(total: usize) -> Self {
        Self { total: total.max(1), count: AtomicUsize::new(0), shares: Mutex::default() }
    }

    /// The share of an address: at most half of all.
    pub(super) fn share(self: &Arc<Self>, address: Network) -> Arc<AddressShare> {
        let mut shares = self.shares();
        if let Some(share) = shares.get(&address).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(AddressShare { requests: Arc::clone(self), address, count: AtomicUsize::new(0) });
        shares.insert(address, Arc::downgrade(&share));
        share
    }

    /// Each change is complete in itself, so a panic elsewhere leaves the table sound.
    fn shares(&self) -> MutexGuard<'_, HashMap<Network, Weak<AddressShare>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddressShare {
    /// A permit for a request.
    pub(super) fn admit(self: &Arc<Self>) -> Option<RequestPermit> {
        let total = self.requests.total;
        if !count_up(&self.count, total.div_ceil(2)) {
            return None;
        }
        if !count_up(&self.requests.count, total) {
            self.count.fetch_sub(1, Relaxed);
            return None;
        }
        Some(RequestPermit(Arc::clone(self)))
    }
}

/// Whether there was room for one more.
fn count_up(count: &AtomicUsize, most: usize) -> bool {
    count.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1)).is_ok()
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.requests.count.fetch_sub(1, Relaxed);
        self.0.count.fetch_sub(1, Relaxed);
    }
}

impl Drop for AddressShare {
    fn drop(&mut self) {
        let mut shares = self.requests.shares();
        // Another one may have come in its place.
        if shares.get(&self.address).is_some_and(|share| share.strong_count() == 0) {
            shares.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_half_and_all_have_no_more_than_all() {
        let requests = Arc::new(RequestLimit::new(4));
        let admit = |last: u8| requests.share(Network::of([10, 0, 0, last].into())).admit();
        let (first, second) = (admit(1).expect("room"), admit(1).expect("room"));
        assert!(admit(1).is_none(), "its half is taken");
        let (third, fourth) = (admit(2).expect("room"), admit(3).expect("room"));
        assert!(admit(4).is_none(), "all are taken");
        drop(first);
        assert!(admit(4).is_some());
        drop((second, third, fourth));
        assert!(requests.shares().is_empty() && requests.count.load(Relaxed) == 0);
    }
}
