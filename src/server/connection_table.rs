//! The open connections by address, and which of them makes room.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use crate::domain::net::network::Network;

/// A connection on which nothing has moved for so long may be closed, requests under way or not, where room is needed and nothing is
/// idle.
const QUIET: Duration = Duration::from_secs(10);
/// An address that has to give up connections gives up one and this part of its idle ones: looking at all of them takes a while.
const PART: usize = 64;

/// All open connections that have not been told to end.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    /// By number, so that the oldest comes first.
    by_address: HashMap<Network, BTreeMap<u64, Connection>>,
    /// Without a first request, oldest first.
    pending: BTreeMap<u64, Network>,
    count: usize,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    activity: Arc<Activity>,
    token: CancellationToken,
}

impl ConnectionTable {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn of_address(&self, address: Network) -> usize {
        self.by_address.get(&address).map_or(0, BTreeMap::len)
    }

    /// A new connection, without a request so far; returns its number.
    pub(super) fn insert(&mut self, address: Network, activity: Arc<Activity>, token: CancellationToken) -> u64 {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.by_address.entry(address).or_default().insert(number, Connection { activity, token });
        self.pending.insert(number, address);
        number
    }

    pub(super) fn establish(&mut self, number: u64) {
        self.pending.remove(&number);
    }

    /// Counts the connection for another address from now on, where it was not told to end meanwhile.
    pub(super) fn move_to(&mut self, number: u64, from: Network, to: Network) {
        let pending = self.pending.contains_key(&number);
        if let Some(connection) = self.take(from, number) {
            self.count += 1;
            self.by_address.entry(to).or_default().insert(number, connection);
            if pending {
                self.pending.insert(number, to);
            }
        }
    }

    /// The connection has ended.
    pub(super) fn remove(&mut self, address: Network, number: u64) {
        self.take(address, number);
    }

    /// The oldest connection without a request ends. Whether there was one.
    pub(super) fn evict_oldest_pending(&mut self) -> bool {
        let oldest = self.pending.iter().next().map(|(number, address)| (*address, *number));
        oldest.is_some_and(|(address, number)| self.evict(address, number))
    }

    /// A connection of this address ends: the oldest without a request, the longest idle, or the one that has been stalled for the
    /// longest. Whether there was one.
    pub(super) fn make_room_of(&mut self, address: Network) -> bool {
        let Some(connections) = self.by_address.get(&address) else { return false };
        let pending = connections.keys().find(|number| self.pending.contains_key(number)).copied();
        let quiet = || connections.iter().filter_map(|(number, it)| Some((it.activity.quiet_since(QUIET)?, *number)));
        let chosen = pending.or_else(|| least(self.idle(connections))).or_else(|| least(quiet()));
        chosen.is_some_and(|number| self.evict(address, number))
    }

    /// The longest idle connections end of the address that has the most. Whether there was one.
    pub(super) fn shed_idle(&mut self) -> bool {
        let chosen = self.by_address.iter().filter_map(|(address, connections)| {
            let (longest, _) = self.idle(connections).min()?;
            Some((connections.len(), Reverse(longest), *address))
        });
        let Some((_, _, address)) = chosen.max() else { return false };
        let Some(connections) = self.by_address.get(&address) else { return false };
        let mut idle: Vec<_> = self.idle(connections).collect();
        idle.sort_unstable();
        idle.truncate(1 + idle.len() / PART);
        idle.into_iter().fold(false, |any, (_, number)| self.evict(address, number) || any)
    }

    /// Since when which of them are idle, after a first request.
    fn idle<'a>(&'a self, connections: &'a BTreeMap<u64, Connection>) -> impl Iterator<Item = (u64, u64)> + 'a {
        let established = connections.iter().filter(|(number, _)| !self.pending.contains_key(number));
        established.filter_map(|(number, connection)| Some((connection.activity.idle_since()?, *number)))
    }

    /// The connection ends on which nothing has moved for the longest, whatever it is doing. Whether there was one.
    pub(super) fn evict_quietest(&mut self) -> bool {
        let all = self.by_address.iter().flat_map(|(address, connections)| {
            connections.iter().map(move |(number, connection)| (connection, (*address, *number)))
        });
        let quiet = all.filter_map(|(connection, key)| Some((connection.activity.quiet_since(QUIET)?, key)));
        least(quiet).is_some_and(|(address, number)| self.evict(address, number))
    }

    /// Tells the connection to end; from now on it does not count for its address.
    fn evict(&mut self, address: Network, number: u64) -> bool {
        let Some(connection) = self.take(address, number) else { return false };
        connection.token.cancel();
        true
    }

    fn take(&mut self, address: Network, number: u64) -> Option<Connection> {
        self.pending.remove(&number);
        let connections = self.by_address.get_mut(&address)?;
        let connection = connections.remove(&number)?;
        if connections.is_empty() {
            self.by_address.remove(&address);
        }
        self.count -= 1;
        Some(connection)
    }
}

/// What has stood for the longest.
fn least<K: Ord>(since: impl Iterator<Item = (u64, K)>) -> Option<K> {
    since.min().map(|(_, key)| key)
}
