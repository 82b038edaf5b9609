//! How many connections there may be: in all, per address, and still without a first request. Who makes room for a newcomer is decided
//! by [`ConnectionTable`].

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::connection_table::ConnectionTable;
use crate::config::ServerSettings;
use crate::domain::net::network::Network;

/// How long to wait for a place before the next connection is asked to make room.
const RETRY: Duration = Duration::from_secs(1);

/// Counts connections and closes those that make room.
#[derive(Debug)]
pub(super) struct Admission {
    total: Arc<Semaphore>,
    /// From this many connections on, an idle one makes room for each newcomer, so that none has to wait.
    nearly_full: usize,
    per_address: usize,
    max_pending: usize,
    table: Mutex<ConnectionTable>,
}

/// The right of one connection to exist; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    address: Network,
    number: u64,
    activity: Arc<Activity>,
    evicted: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(settings: &ServerSettings, max_pending: usize) -> Self {
        let total = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            total: Arc::new(Semaphore::new(total)),
            nearly_full: total - total / 16,
            per_address: settings.max_connections_per_address.max(1),
            max_pending: max_pending.clamp(1, total),
            table: Mutex::default(),
        }
    }

    /// A place for a connection from `peer`. Where its address has its share, another connection of the address makes room; `None`
    /// where all of them are at work. With all places taken, a connection of anyone makes room; where all are at work this waits, and
    /// the kernel's backlog with it.
    pub(super) async fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Admitted> {
        let address = Network::of(peer.ip());
        {
            let mut table = self.table();
            if table.of_address(address) >= self.per_address && !table.make_room_of(address) {
                return None;
            }
            if table.len() >= self.nearly_full && self.total.available_permits() > 0 {
                table.shed_idle();
            }
        }
        let permit = self.permit().await?;
        let (activity, evicted) = (Arc::new(Activity::new()), CancellationToken::new());
        let mut table = self.table();
        while table.pending() >= self.max_pending {
            table.evict_oldest_pending();
        }
        let number = table.insert(address, Arc::clone(&activity), evicted.clone());
        drop(table);
        Some(Admitted { admission: Arc::clone(self), address, number, activity, evicted, _permit: permit })
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.total).try_acquire_owned() {
            return Some(permit);
        }
        loop {
            self.make_room();
            // The semaphore is never closed, so this waits for a place and does not fail.
            if let Ok(permit) = tokio::time::timeout(RETRY, Arc::clone(&self.total).acquire_owned()).await {
                return permit.ok();
            }
        }
    }

    /// Closes the connection that can best be spared: the oldest without a request, else the longest idle one, else the one that has
    /// been stalled for the longest.
    pub(super) fn make_room(&self) {
        let mut table = self.table();
        let _ = table.evict_oldest_pending() || table.shed_idle() || table.evict_quietest();
    }

    /// Every change of the table is complete in itself, so a panic elsewhere leaves it sound.
    fn table(&self) -> MutexGuard<'_, ConnectionTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// The connection has sent a request: it is no longer the first to be closed.
    pub(super) fn establish(&self) {
        self.admission.table().establish(self.number);
    }

    /// The connection speaks for another address, which has a share of its own. `None` where that address has its share already.
    pub(super) fn speak_for(mut self, peer: SocketAddr) -> Option<Self> {
        let address = Network::of(peer.ip());
        let mut table = self.admission.table();
        if table.of_address(address) >= self.admission.per_address && !table.make_room_of(address) {
            return None;
        }
        table.move_to(self.number, self.address, address);
        drop(table);
        self.address = address;
        Some(self)
    }

    /// What the connection is doing.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// The address that the connection counts for.
    pub(super) fn address(&self) -> Network {
        self.address
    }

    /// Whether this connection has to make room for others.
    pub(super) fn is_evicted(&self) -> bool {
        self.evicted.is_cancelled()
    }

    /// Cancelled when this connection has to make room for others.
    pub(super) fn eviction(&self) -> CancellationToken {
        self.evicted.clone()
    }

    /// Waits until this connection has to make room for others.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // One that was evicted has been forgotten already.
        self.admission.table().remove(self.address, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: usize, per_address: usize, pending: usize) -> Arc<Admission> {
        let settings = ServerSettings {
            max_connections: total,
            max_connections_per_address: per_address,
            ..ServerSettings::default()
        };
        Arc::new(Admission::new(&settings, pending))
    }

    fn peer(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 1).into()
    }

    /// A connection that is at work.
    async fn busy(admission: &Arc<Admission>, last: u8) -> (Admitted, super::super::activity::ActiveRequest) {
        let admitted = admission.admit(peer(last)).await.unwrap();
        admitted.establish();
        let request = admitted.activity().begin(true);
        (admitted, request)
    }

    /// One that has had its request and is idle.
    async fn idle(admission: &Arc<Admission>, last: u8) -> Admitted {
        let (admitted, _) = busy(admission, last).await;
        // The clock tells milliseconds apart.
        tokio::time::sleep(Duration::from_millis(3)).await;
        admitted
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_gets_it_back() {
        let admission = admission(10, 2, 10);
        let (first, second) = (busy(&admission, 1).await, busy(&admission, 1).await);
        assert!(admission.admit(peer(1)).await.is_none());
        assert!(admission.admit(peer(2)).await.is_some());
        drop(first);
        assert!(admission.admit(peer(1)).await.is_some());
        drop(second);
        assert!(admission.table().len() == 0 && admission.table().pending() == 0);
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
        assert!(admission.table().len() == 0 && admission.table().pending() == 0);
    }

    #[tokio::test]
    async fn the_longest_idle_of_an_address_makes_room_for_it() {
        let admission = admission(10, 2, 10);
        let (longest, idle) = (idle(&admission, 1).await, idle(&admission, 1).await);
        let newcomer = admission.admit(peer(1)).await.unwrap();
        assert!(longest.evicted.is_cancelled());
        assert!(!idle.evicted.is_cancelled() && !newcomer.evicted.is_cancelled());
    }

    #[tokio::test]
    async fn the_oldest_pending_makes_room_and_established_ones_stay() {
        let admission = admission(10, 10, 2);
        let established = idle(&admission, 1).await;
        let oldest = admission.admit(peer(1)).await.unwrap();
        let newer = admission.admit(peer(1)).await.unwrap();
        let _newest = admission.admit(peer(1)).await.unwrap();
        assert!(oldest.evicted.is_cancelled());
        assert!(!newer.evicted.is_cancelled() && !established.evicted.is_cancelled());
    }

    #[tokio::test]
    async fn at_the_limit_the_pending_is_evicted_and_the_newcomer_waits() {
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

    #[tokio::test]
    async fn at_the_limit_the_address_with_the_most_gives_up_its_longest_idle_connection() {
        let admission = admission(5, 10, 5);
        let alone = idle(&admission, 9).await;
        let many = [idle(&admission, 1).await, idle(&admission, 1).await, idle(&admission, 1).await];
        let (at_work, _request) = busy(&admission, 1).await;
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.admit(peer(2)).await.is_some() }
        });
        many[0].evicted().await;
        assert!(!many[1].evicted.is_cancelled() && !at_work.evicted.is_cancelled() && !alone.evicted.is_cancelled());
        drop(many);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn a_connection_behind_a_proxy_counts_for_its_client() {
        let admission = admission(10, 1, 10);
        let first = admission.admit(peer(1)).await.unwrap().speak_for(peer(7)).unwrap();
        first.establish();
        let _request = first.activity().begin(false);
        let second = admission.admit(peer(1)).await.unwrap();
        assert!(second.speak_for(peer(7)).is_none(), "the client has its share, whichever proxy speaks for it");
        assert!(admission.admit(peer(1)).await.unwrap().speak_for(peer(8)).is_some());
        drop(first);
        assert_eq!(admission.table().len(), 0);
    }
}
