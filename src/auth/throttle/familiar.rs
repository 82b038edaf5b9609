//! Where a user's right password came from. While an account or an address is guessed at, what was right from there before goes on being
//! taken, so that a stranger who guesses cannot stop clients that run; whoever is new waits.
//!
//! Bound to the address, because an answer other than "wait" is an answer to a guess: without that, guesses during a wait would be checked
//! against what others are known to use, as fast as memory is.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use super::address_limit::Network;
use super::login::Fingerprint;

/// How long a place is familiar without a login from there.
const MEMORY: Duration = Duration::from_hours(24);
/// How many places of all users together.
const CAPACITY: u64 = 20_000;
/// So many other passwords during waits, and the place is like any other.
const STRIKES: u32 = 10;

/// See the module.
pub(in crate::auth) struct Familiar {
    places: Option<Cache<u64, Arc<Place>>>,
    hasher: RandomState,
}

struct Place {
    password: Fingerprint,
    strikes: AtomicU32,
}

impl Familiar {
    /// One that remembers, or one that never does.
    pub(in crate::auth) fn new(remembers: bool) -> Self {
        let places = remembers.then(|| Cache::builder().max_capacity(CAPACITY).time_to_idle(MEMORY).build());
        Self { places, hasher: RandomState::new() }
    }

    /// The password was right, from there.
    pub(in crate::auth) fn note(&self, name: &str, from: Network, password: &Fingerprint) {
        let Some(places) = &self.places else { return };
        let place = self.hasher.hash_one((name, from));
        if places.get(&place).is_none_or(|known| known.password != *password) {
            places.insert(place, Arc::new(Place { password: *password, strikes: AtomicU32::new(0) }));
        }
    }

    /// The pair of name and address, where a password of that name was right from there before.
    pub(in crate::auth) fn pair(&self, name: &str, from: Network) -> Option<u64> {
        let pair = self.hasher.hash_one((name, from));
        self.places.as_ref().is_some_and(|places| places.contains_key(&pair)).then_some(pair)
    }

    /// Whether this very password was right from there before, asked of one that is right.
    pub(in crate::auth) fn has(&self, name: &str, from: Network, password: &Fingerprint) -> bool {
        let Some(places) = &self.places else { return false };
        places.get(&self.hasher.hash_one((name, from))).is_some_and(|known| known.password == *password)
    }

    /// Whether this very password was right from there before; where it was not, it counts as a guess.
    pub(in crate::auth) fn knows(&self, name: &str, from: Network, password: &Fingerprint) -> bool {
        let Some(places) = &self.places else { return false };
        let place = self.hasher.hash_one((name, from));
        let Some(known) = places.get(&place) else { return false };
        let same = known.password == *password;
        if !same && known.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= STRIKES {
            places.invalidate(&place);
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_by_name_address_and_password_and_not_for_guessing() {
        let familiar = Familiar::new(true);
        let (here, there) = (Network::of([192, 0, 2, 1].into()), Network::of([192, 0, 2, 2].into()));
        let (right, wrong) = ([1; 32], [2; 32]);
        familiar.note("alice", here, &right);
        assert!(familiar.knows("alice", here, &right));
        assert!(!familiar.knows("alice", there, &right) && !familiar.knows("bob", here, &right));
        for _ in 1..STRIKES {
            assert!(!familiar.knows("alice", here, &wrong));
            familiar.note("alice", here, &right);
        }
        assert!(familiar.knows("alice", here, &right));
        assert!(!familiar.knows("alice", here, &wrong));
        assert!(!familiar.knows("alice", here, &right), "ten guesses were too many");
        let forgetful = Familiar::new(false);
        forgetful.note("alice", here, &right);
        assert!(!forgetful.knows("alice", here, &right));
    }
}
