//! How many connections there may be: in all, per address, and still without a first request.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::options::ServerOptions;

/// Counts connections and closes the oldest pending one where room is needed.
#[derive(Debug)]
pub(super) struct Admission {
    total: Arc<Semaphore>,
    per_address: usize,
    max_pending: usize,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    by_address: HashMap<IpAddr, usize>,
    /// Oldest first.
    pending: BTreeMap<u64, CancellationToken>,
    next: u64,
}

/// The right of one connection to exist; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    address: IpAddr,
    number: u64,
    evicted: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(options: &ServerOptions) -> Self {
        let total = options.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            total: Arc::new(Semaphore::new(total)),
            per_address: options.max_connections_per_address.max(1),
            max_pending: options.max_pending_connections.clamp(1, total),
            ledger: Mutex::default(),
        }
    }

    /// A place for a connection from `peer`; `None` where its address has too many. With all places taken, the oldest pending
    /// connection makes room; with none pending this waits, and the kernel's backlog with it.
    pub(super) async fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Admitted> {
        let address = counted_as(peer.ip());
        if self.ledger().by_address.get(&address).is_some_and(|count| *count >= self.per_address) {
            return None;
        }
        if self.total.available_permits() == 0 {
            self.evict_oldest_pending();
        }
        // The semaphore is never closed, so this waits for a place and does not fail.
        let permit = Arc::clone(&self.total).acquire_owned().await.ok()?;
        let mut ledger = self.ledger();
        *ledger.by_address.entry(address).or_default() += 1;
        while ledger.pending.len() >= self.max_pending {
            ledger.evict_oldest();
        }
        let (number, evicted) = (ledger.next, CancellationToken::new());
        ledger.next += 1;
        ledger.pending.insert(number, evicted.clone());
        drop(ledger);
        Some(Admitted { admission: Arc::clone(self), address, number, evicted, _permit: permit })
    }

    pub(super) fn evict_oldest_pending(&self) {
        self.ledger().evict_oldest();
    }

    /// Every change of the ledger is complete in itself, so a panic elsewhere leaves it sound.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn evict_oldest(&mut self) {
        if let Some((_, connection)) = self.pending.pop_first() {
            connection.cancel();
        }
    }
}

impl Admitted {
    /// The connection has sent a request: it is no longer closed to make room.
    pub(super) fn establish(&self) {
        self.admission.ledger().pending.remove(&self.number);
    }

    /// Waits until this connection has to make room for others.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut ledger = self.admission.ledger();
        ledger.pending.remove(&self.number);
        if let Some(count) = ledger.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                ledger.by_address.remove(&self.address);
            }
        }
    }
}

/// One customer of IPv6 has a /64 at least: it counts as one address.
fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: usize, per_address: usize, pending: usize) -> Arc<Admission> {
        let mut options = ServerOptions::new(([127, 0, 0, 1], 0).into());
        options.max_connections = total;
        options.max_connections_per_address = per_address;
        options.max_pending_connections = pending;
        Arc::new(Admission::new(&options))
    }

    fn peer(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 1).into()
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_gets_it_back() {
        let admission = admission(10, 2, 10);
        let (first, _second) = (admission.admit(peer(1)).await.unwrap(), admission.admit(peer(1)).await.unwrap());
        assert!(admission.admit(peer(1)).await.is_none());
        assert!(admission.admit(peer(2)).await.is_some());
        drop(first);
        assert!(admission.admit(peer(1)).await.is_some());
    }

    #[tokio::test]
    async fn networks_of_ipv6_count_as_one_and_mapped_addresses_as_ipv4() {
        let ip = |text: &str| counted_as(text.parse().unwrap());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_eq!(ip("::ffff:10.0.0.1"), ip("10.0.0.1"));
    }

    #[tokio::test]
    async fn the_oldest_pending_makes_room_and_established_ones_stay() {
        let admission = admission(10, 10, 2);
        let established = admission.admit(peer(1)).await.unwrap();
        established.establish();
        let oldest = admission.admit(peer(1)).await.unwrap();
        let newer = admission.admit(peer(1)).await.unwrap();
        let _newest = admission.admit(peer(1)).await.unwrap();
        assert!(oldest.evicted.is_cancelled());
        assert!(!newer.evicted.is_cancelled() && !established.evicted.is_cancelled());
    }

    #[tokio::test]
    async fn a_full_house_evicts_the_pending_and_waits_for_a_place() {
        let admission = admission(1, 10, 1);
        let pending = admission.admit(peer(1)).await.unwrap();
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.admit(peer(2)).await.is_some() }
        });
        pending.evicted().await;
        assert!(!waiting.is_finished());
        drop(pending);
        assert!(waiting.await.unwrap());
    }
}
