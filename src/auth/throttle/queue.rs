//! The queue before Argon2: short, and shared out, so that those who guess do not fill it for everyone else.
//!
//! An address (an IPv4 address, or an IPv6 network of 64 bits) has an eighth of the places, and a site (24 bits of IPv4, 48 of IPv6,
//! which is what one customer has at the most) a quarter. A quarter of all places is kept for pairs of a name and an address that
//! logged in before, which are known sources. Such a source has two of them at once; its further attempts have the shares of an unknown one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Network;
use crate::domain::net::network::Site;

/// Places of one known source at once. A client may try a password twice at the same time; equal attempts share a place.
const OF_SOURCE: usize = 2;
/// The least that an address has, however short the queue is.
const LEAST_OF_ADDRESS: usize = 2;

/// See the module.
pub(super) struct Queue {
    places: usize,
    /// Of these, so many for known sources alone.
    kept: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_unknown: usize,
    shares: HashMap<Share, usize>,
}

/// What has a share of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Share {
    Source(u64),
    Address(Network),
    Site(Site),
}

/// A place in the queue, given back when it is dropped.
pub(super) struct Place {
    queue: Arc<Queue>,
    shares: Shares,
}

#[derive(Clone, Copy)]
enum Shares {
    Known(Share),
    Unknown([Share; 2]),
}

impl Queue {
    /// A queue of so many places, with some kept for known sources if those are remembered.
    pub(super) fn new(places: usize, remembers: bool) -> Arc<Self> {
        let kept = if remembers { places / 4 } else { 0 };
        Arc::new(Self { places, kept, taken: Mutex::default() })
    }

    /// A place for an attempt from there, of a known `source` or of an unknown one; `None` while its shares, or the queue, are full.
    pub(super) fn enter(self: &Arc<Self>, from: Network, source: Option<u64>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = self.known(&taken, source).or_else(|| self.unknown(&taken, from))?;
        taken.change(shares, |count| *count += 1);
        Some(Place { queue: Arc::clone(self), shares })
    }

    fn known(&self, taken: &Taken, source: Option<u64>) -> Option<Shares> {
        let share = Share::Source(source?);
        (taken.all < self.places && taken.of(share) < OF_SOURCE).then_some(Shares::Known(share))
    }

    fn unknown(&self, taken: &Taken, from: Network) -> Option<Shares> {
        let open = self.places - self.kept;
        let (address, site) = (Share::Address(from), Share::Site(from.site()));
        let of_address = (open / 8).max(LEAST_OF_ADDRESS);
        let of_site = of_address * 2;
        let free = taken.all < self.places && taken.by_unknown < open;
        let fair = taken.of(address) < of_address && taken.of(site) < of_site;
        (free && fair).then_some(Shares::Unknown([address, site]))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all == 0 && taken.by_unknown == 0 && taken.shares.is_empty()
    }
}

impl Taken {
    fn of(&self, share: Share) -> usize {
        self.shares.get(&share).copied().unwrap_or_default()
    }

    /// Counts up or down. A share without a place is forgotten, so there are no more of them than places.
    fn change(&mut self, shares: Shares, step: impl Fn(&mut usize)) {
        step(&mut self.all);
        let shares = match &shares {
            Shares::Known(source) => std::slice::from_ref(source),
            Shares::Unknown(both) => {
                step(&mut self.by_unknown);
                both
            }
        };
        for share in shares {
            step(self.shares.entry(*share).or_default());
        }
        self.shares.retain(|_, count| *count > 0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.queue.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.change(self.shares, |count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().expect("an address"))
    }

    /// How many of `count` attempts from addresses of this form get a place; all of them stay.
    fn enter(queue: &Arc<Queue>, held: &mut Vec<Place>, count: usize, address: impl Fn(usize) -> String) -> usize {
        let before = held.len();
        held.extend((0..count).filter_map(|n| queue.enter(network(&address(n)), None)));
        held.len() - before
    }

    #[test]
    fn addresses_and_sites_have_shares_and_known_sources_come_in_when_unknown_ones_do_not() {
        let (queue, mut held) = (Queue::new(64, true), Vec::new());
        assert_eq!(enter(&queue, &mut held, 20, |_| "192.0.2.1".to_owned()), 6);
        assert_eq!(enter(&queue, &mut held, 20, |n| format!("192.0.2.{n}")), 6, "the site has twelve");
        assert_eq!(enter(&queue, &mut held, 20, |n| format!("2001:db8:1:{n}::1")), 12, "and so has a /48");
        assert_eq!(enter(&queue, &mut held, 170, |n| format!("198.51.{n}.1")), 24, "unknown sources have 48 in all");
        let here = network("203.0.113.1");
        assert!(queue.enter(here, None).is_none());
        let known: Vec<_> = (0..5).filter_map(|_| queue.enter(here, Some(1))).collect();
        assert_eq!(known.len(), OF_SOURCE, "of one source");
        held.extend(known);
        held.extend((2..100).filter_map(|source| queue.enter(here, Some(source))));
        assert_eq!(held.len(), 64);
        drop(held);
        assert!(queue.is_empty());
        assert!(queue.enter(here, None).is_some());
    }

    #[test]
    fn a_queue_that_knows_no_one_keeps_nothing_back_and_a_short_one_serves_an_address_twice() {
        let (queue, mut held) = (Queue::new(16, false), Vec::new());
        assert_eq!(enter(&queue, &mut held, 100, |n| format!("198.51.{n}.1")), 16);
        let (short, mut held) = (Queue::new(3, true), Vec::new());
        assert_eq!(enter(&short, &mut held, 10, |_| "192.0.2.1".to_owned()), 2);
        assert_eq!(enter(&short, &mut held, 10, |_| "198.51.100.1".to_owned()), 1);
    }
}
