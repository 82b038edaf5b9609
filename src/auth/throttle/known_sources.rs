//! Where an account's right password came from. While an account or an address is limited, a password that was right from there before
//! is still accepted, so that an attacker who guesses cannot stop clients that are logged in; new sources wait.
//!
//! Bound to the address, because an answer other than "wait" is an answer to a guess: without that, guesses while limited would be checked
//! against what others are known to use, as fast as memory is.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;

use super::password_verifier::Fingerprint;
use crate::domain::Network;

/// How long a source is known without a login from there.
const MEMORY: Duration = Duration::from_hours(24);
/// How many sources of all accounts together.
const CAPACITY: u64 = 20_000;
/// After so many other passwords while limited, a source is unknown again.
const MAX_FAILED: u32 = 10;

/// The state of a source: an account's name, and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// No login from there.
    Unknown,
    /// A password was right from there.
    Known {
        /// The last one that was.
        password: Fingerprint,
        /// Other passwords since, while limited.
        failed: u32,
    },
}

impl Source {
    /// The password was right. The same one again forgives no failed attempts.
    pub(super) fn verified(&mut self, right: &Fingerprint) {
        if !self.knows(right) {
            *self = Self::Known { password: *right, failed: 0 };
        }
    }

    /// A password while limited: `true` if it is the one that was right from there. Any other counts as a failed attempt.
    pub(super) fn tried_while_limited(&mut self, tried: &Fingerprint) -> bool {
        let knows = self.knows(tried);
        *self = match *self {
            Self::Known { failed, .. } if !knows && failed + 1 >= MAX_FAILED => Self::Unknown,
            Self::Known { password, failed } if !knows => Self::Known { password, failed: failed + 1 },
            same => same,
        };
        knows
    }

    fn knows(&self, tried: &Fingerprint) -> bool {
        matches!(self, Self::Known { password, .. } if password == tried)
    }
}

/// See the module.
pub(super) struct KnownSources {
    sources: Option<Cache<u64, Source>>,
    hasher: RandomState,
}

impl KnownSources {
    /// One that remembers, or one that never does.
    pub(super) fn new(remembers: bool) -> Self {
        let sources = remembers.then(|| Cache::builder().max_capacity(CAPACITY).time_to_idle(MEMORY).build());
        Self { sources, hasher: RandomState::new() }
    }

    /// The password was right, from there.
    pub(super) fn verified(&self, name: &str, from: Network, password: &Fingerprint) {
        // Read first: most logins change nothing, and a read keeps the source as well.
        if !self.has(name, from, password) {
            self.change(name, from, |source| source.verified(password));
        }
    }

    /// The number of the pair of name and address, if it is known.
    pub(super) fn id(&self, name: &str, from: Network) -> Option<u64> {
        let id = self.hasher.hash_one((name, from));
        self.sources.as_ref().is_some_and(|sources| sources.contains_key(&id)).then_some(id)
    }

    /// Whether this very password was right from there, asked of one that is right.
    pub(super) fn has(&self, name: &str, from: Network, password: &Fingerprint) -> bool {
        let Some(sources) = &self.sources else { return false };
        sources.get(&self.hasher.hash_one((name, from))).is_some_and(|source| source.knows(password))
    }

    /// Whether this very password was right from there; if not, it counts as a failed attempt.
    pub(super) fn tried_while_limited(&self, name: &str, from: Network, password: &Fingerprint) -> bool {
        self.change(name, from, |source| source.tried_while_limited(password)).unwrap_or(false)
    }

    /// Changes the state of a source, each by one attempt at a time.
    fn change<T>(&self, name: &str, from: Network, change: impl FnOnce(&mut Source) -> T) -> Option<T> {
        let mut made = None;
        let id = self.hasher.hash_one((name, from));
        self.sources.as_ref()?.entry(id).and_compute_with(|entry| {
            let before = entry.map_or(Source::Unknown, |entry| *entry.value());
            let mut after = before;
            made = Some(change(&mut after));
            match (before, after) {
                (before, after) if before == after => Op::Nop,
                (_, Source::Unknown) => Op::Remove,
                (_, known) => Op::Put(known),
            }
        });
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_by_name_address_and_password_and_not_for_guessing() {
        let sources = KnownSources::new(true);
        let (here, there) = (Network::of([192, 0, 2, 1].into()), Network::of([192, 0, 2, 2].into()));
        let (right, wrong) = ([1; 32], [2; 32]);
        sources.verified("alice", here, &right);
        let tried = |name: &str, from, password| sources.tried_while_limited(name, from, password);
        assert!(tried("alice", here, &right));
        assert!(!tried("alice", there, &right) && !tried("bob", here, &right));
        assert_eq!((sources.id("alice", there), sources.id("bob", here)), (None, None));
        for _ in 1..MAX_FAILED {
            assert!(!tried("alice", here, &wrong));
            sources.verified("alice", here, &right);
        }
        assert!(tried("alice", here, &right));
        assert!(!tried("alice", here, &wrong));
        assert!(!tried("alice", here, &right), "ten guesses were too many");
        assert_eq!(sources.id("alice", here), None);
        let forgetful = KnownSources::new(false);
        forgetful.verified("alice", here, &right);
        assert!(!forgetful.tried_while_limited("alice", here, &right));
    }

    #[test]
    fn another_right_password_is_the_one_that_is_known_from_then_on() {
        let mut source = Source::Unknown;
        source.verified(&[1; 32]);
        assert!(!source.tried_while_limited(&[2; 32]));
        source.verified(&[2; 32]);
        assert_eq!(source, Source::Known { password: [2; 32], failed: 0 });
        assert!(!source.tried_while_limited(&[1; 32]));
    }
}
