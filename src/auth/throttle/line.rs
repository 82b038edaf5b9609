//! The line before Argon2: short, and shared out, so that those who guess do not fill it for everyone else.
//!
//! An address (an IPv4 address, or an IPv6 network of 64 bits) has an eighth of the places, and a site (24 bits of IPv4, 48 of IPv6,
//! which is what one customer has at the most) a quarter. A quarter of all places is kept for pairs of a name and an address that
//! logged in before. Such a pair has two of them at once; its further attempts have the shares of a stranger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Network;
use crate::domain::net::network::Site;

/// Places of one known pair at once. A client may try a password twice at the same time; equal attempts share a place.
const OF_PAIR: usize = 2;
/// The least that an address has, however short the line is.
const LEAST_OF_ADDRESS: usize = 2;

/// See the module.
pub(in crate::auth) struct Line {
    places: usize,
    /// Of these, so many for known pairs alone.
    kept: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_strangers: usize,
    shares: HashMap<Share, usize>,
}

/// What has a share of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Share {
    Pair(u64),
    Address(Network),
    Site(Site),
}

/// A place in the line, given back when it is dropped.
pub(in crate::auth) struct Place {
    line: Arc<Line>,
    shares: Shares,
}

#[derive(Clone, Copy)]
enum Shares {
    Known(Share),
    Stranger([Share; 2]),
}

impl Line {
    /// A line of so many places, with some kept for known pairs where those are remembered.
    pub(in crate::auth) fn new(places: usize, remembers: bool) -> Arc<Self> {
        let kept = if remembers { places / 4 } else { 0 };
        Arc::new(Self { places, kept, taken: Mutex::default() })
    }

    /// A place for an attempt from there, of a known `pair` or of a stranger; `None` where its shares, or the line, are full.
    pub(in crate::auth) fn enter(self: &Arc<Self>, from: Network, pair: Option<u64>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = self.known(&taken, pair).or_else(|| self.stranger(&taken, from))?;
        taken.change(shares, |count| *count += 1);
        Some(Place { line: Arc::clone(self), shares })
    }

    fn known(&self, taken: &Taken, pair: Option<u64>) -> Option<Shares> {
        let share = Share::Pair(pair?);
        (taken.all < self.places && taken.of(share) < OF_PAIR).then_some(Shares::Known(share))
    }

    fn stranger(&self, taken: &Taken, from: Network) -> Option<Shares> {
        let open = self.places - self.kept;
        let (address, site) = (Share::Address(from), Share::Site(from.site()));
        let of_address = (open / 8).max(LEAST_OF_ADDRESS);
        let of_site = of_address * 2;
        let free = taken.all < self.places && taken.by_strangers < open;
        let fair = taken.of(address) < of_address && taken.of(site) < of_site;
        (free && fair).then_some(Shares::Stranger([address, site]))
    }

    #[cfg(test)]
    pub(in crate::auth) fn is_empty(&self) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all == 0 && taken.by_strangers == 0 && taken.shares.is_empty()
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
            Shares::Known(pair) => std::slice::from_ref(pair),
            Shares::Stranger(both) => {
                step(&mut self.by_strangers);
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
        let mut taken = self.line.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn enter(line: &Arc<Line>, held: &mut Vec<Place>, count: usize, address: impl Fn(usize) -> String) -> usize {
        let before = held.len();
        held.extend((0..count).filter_map(|n| line.enter(network(&address(n)), None)));
        held.len() - before
    }

    #[test]
    fn addresses_and_sites_have_shares_and_known_pairs_come_in_when_strangers_do_not() {
        let (line, mut held) = (Line::new(64, true), Vec::new());
        assert_eq!(enter(&line, &mut held, 20, |_| "192.0.2.1".to_owned()), 6);
        assert_eq!(enter(&line, &mut held, 20, |n| format!("192.0.2.{n}")), 6, "the site has twelve");
        assert_eq!(enter(&line, &mut held, 20, |n| format!("2001:db8:1:{n}::1")), 12, "and so has a /48");
        assert_eq!(enter(&line, &mut held, 170, |n| format!("198.51.{n}.1")), 24, "strangers have 48 in all");
        let here = network("203.0.113.1");
        assert!(line.enter(here, None).is_none());
        let known: Vec<_> = (0..5).filter_map(|_| line.enter(here, Some(1))).collect();
        assert_eq!(known.len(), OF_PAIR, "of one pair");
        held.extend(known);
        held.extend((2..100).filter_map(|pair| line.enter(here, Some(pair))));
        assert_eq!(held.len(), 64);
        drop(held);
        assert!(line.is_empty());
        assert!(line.enter(here, None).is_some());
    }

    #[test]
    fn a_line_that_knows_no_one_keeps_nothing_back_and_a_short_one_serves_an_address_twice() {
        let (line, mut held) = (Line::new(16, false), Vec::new());
        assert_eq!(enter(&line, &mut held, 100, |n| format!("198.51.{n}.1")), 16);
        let (short, mut held) = (Line::new(3, true), Vec::new());
        assert_eq!(enter(&short, &mut held, 10, |_| "192.0.2.1".to_owned()), 2);
        assert_eq!(enter(&short, &mut held, 10, |_| "198.51.100.1".to_owned()), 1);
    }
}
