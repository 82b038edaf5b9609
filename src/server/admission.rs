//! How many connections there may be: in all, per address, and still without a first request.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
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
    pending: BTreeMap<u64, Pending>,
    next: u64,
}

#[derive(Debug)]
struct Pending {
    address: IpAddr,
    connection: CancellationToken,
}

/// The right of one connection to exist; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    address: IpAddr,
    number: u64,
    evicted: CancellationToken,
    established: AtomicBool,
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

    /// A place for a connection from `peer`. Where its address has its share, the address's oldest pending connection makes
    /// room; `None` where all of them are at work. With all places taken, the oldest pending connection of anyone makes room;
    /// with none pending this waits, and the kernel's backlog with it.
    pub(super) async fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Admitted> {
        let address = counted_as(peer.ip());
        if !self.ledger().has_room_for(address, self.per_address) {
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
        ledger.pending.insert(number, Pending { address, connection: evicted.clone() });
        drop(ledger);
        Some(Admitted {
            admission: Arc::clone(self),
            address,
            number,
            evicted,
            established: AtomicBool::new(false),
            _permit: permit,
        })
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
        if let Some(number) = self.pending.keys().next().copied() {
            self.evict(number);
        }
    }

    fn has_room_for(&mut self, address: IpAddr, share: usize) -> bool {
        if self.by_address.get(&address).is_none_or(|count| *count < share) {
            return true;
        }
        let oldest = self.pending.iter().find(|(_, pending)| pending.address == address).map(|(number, _)| *number);
        oldest.is_some_and(|number| self.evict(number))
    }

    /// Tells the connection to end; from now on it does not count for its address.
    fn evict(&mut self, number: u64) -> bool {
        let Some(pending) = self.pending.remove(&number) else { return false };
        pending.connection.cancel();
        self.forget(pending.address);
        true
    }

    fn forget(&mut self, address: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Admitted {
    /// The connection has sent a request: it is no longer closed to make room.
    pub(super) fn establish(&self) {
        // One that has just been evicted ends all the same.
        if self.admission.ledger().pending.remove(&self.number).is_some() {
            self.established.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until this connection has to make room for others.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut ledger = self.admission.ledger();
        // An evicted one is neither, and was forgotten when it was evicted.
        if ledger.pending.remove(&self.number).is_some() || self.established.load(Ordering::Relaxed) {
            ledger.forget(self.address);
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
        let (first, second) = (admission.admit(peer(1)).await.unwrap(), admission.admit(peer(1)).await.unwrap());
        first.establish();
        second.establish();
        assert!(admission.admit(peer(1)).await.is_none());
        assert!(admission.admit(peer(2)).await.is_some());
        drop(first);
        assert!(admission.admit(peer(1)).await.is_some());
        drop(second);
        assert!(admission.ledger().by_address.is_empty() && admission.ledger().pending.is_empty());
    }

    #[tokio::test]
    async fn the_pending_of_an_address_make_room_for_it() {
        let admission = admission(10, 2, 10);
        let other = admission.admit(peer(2)).await.unwrap();
        let (oldest, newer) = (admission.admit(peer(1)).await.unwrap(), admission.admit(peer(1)).await.unwrap());
        let newest = admission.admit(peer(1)).await.unwrap();
        assert!(oldest.evicted.is_cancelled());
        assert!(!newer.evicted.is_cancelled() && !other.evicted.is_cancelled());
        drop((oldest, newer, newest, other));
        assert!(admission.ledger().by_address.is_empty() && admission.ledger().pending.is_empty());
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
