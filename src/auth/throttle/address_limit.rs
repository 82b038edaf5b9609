//! The state of an address: how many wrong passwords it may try in a minute. In memory: a restart forgets them, the accounts' own limit
//! does not. What other nodes have counted is added about a second later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::domain::Network;

const MINUTE: Duration = Duration::from_mins(1);
/// How long the log says nothing new of an address that it named: as long as it continues, and this long after.
const EPISODE: Duration = Duration::from_mins(10);
/// How many addresses are remembered; those that were quiet for longest are forgotten first.
const CAPACITY: u64 = 50_000;

/// What the wrong passwords of an address mean for the next one from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressState {
    /// It is verified.
    Free,
    /// It is not verified: the minute's wrong passwords are used up.
    RateLimited {
        /// When the address is free.
        retry_after: Duration,
    },
}

/// See the module.
pub(super) struct AddressLimit {
    max_per_minute: usize,
    recent: Cache<Network, Arc<Mutex<Recent>>>,
}

#[derive(Default)]
struct Recent {
    /// The newest wrong passwords, as many as are allowed, oldest first.
    at: VecDeque<Instant>,
    limited: Option<Instant>,
}

impl AddressLimit {
    /// At most `max_per_minute` wrong passwords in any minute; 0: no limit.
    pub(super) fn new(max_per_minute: u32) -> Self {
        let recent = Cache::builder().max_capacity(CAPACITY).time_to_idle(EPISODE);
        Self { max_per_minute: max_per_minute as usize, recent: recent.eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// The state of the address at `now`.
    pub(super) fn state(&self, from: Network, now: Instant) -> AddressState {
        self.wait(from, now).map_or(AddressState::Free, |retry_after| AddressState::RateLimited { retry_after })
    }

    fn wait(&self, from: Network, now: Instant) -> Option<Duration> {
        let recent = self.recent.get(&from)?;
        let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = recent.at.front().filter(|_| recent.at.len() >= self.max_per_minute)?;
        MINUTE.checked_sub(now.saturating_duration_since(*oldest)).filter(|wait| !wait.is_zero())
    }

    /// Whether wrong passwords are counted at all.
    pub(super) fn counts(&self) -> bool {
        self.max_per_minute > 0
    }

    /// Counts wrong passwords from there that another node has seen, so long before `now`.
    pub(super) fn failed_elsewhere(&self, from: Network, failures: u32, age: Duration, now: Instant) {
        let Some(at) = now.checked_sub(age).filter(|_| failures > 0 && age < MINUTE) else { return };
        if !self.counts() {
            return;
        }
        let recent = self.recent.get_with(from, Arc::default);
        let failures = usize::try_from(failures).unwrap_or(usize::MAX).min(self.max_per_minute);
        recent.lock().unwrap_or_else(PoisonError::into_inner).insert(at, failures, self.max_per_minute);
    }

    /// Counts a wrong password from there.
    pub(super) fn failed(&self, from: Network, now: Instant) {
        if self.max_per_minute == 0 {
            return;
        }
        let recent = self.recent.get_with(from, Arc::default);
        if recent.lock().unwrap_or_else(PoisonError::into_inner).add(now, self.max_per_minute) {
            tracing::warn!(
                address = %from,
                failures = self.max_per_minute,
                "an address sends wrong passwords: for the rest of the minute no more of them are verified"
            );
        }
    }
}

impl Recent {
    /// Counts some more that came at a moment which may be past.
    fn insert(&mut self, at: Instant, failures: usize, most: usize) {
        let place = self.at.partition_point(|known| *known <= at);
        for _ in 0..failures {
            self.at.insert(place, at);
        }
        while self.at.len() > most {
            self.at.pop_front();
        }
    }

    /// Counts one more; `true` if the limit is reached and the log should say so.
    fn add(&mut self, now: Instant, most: usize) -> bool {
        self.at.push_back(now);
        while self.at.len() > most {
            self.at.pop_front();
        }
        let full = self.at.len() == most;
        if !full || self.at.front().is_some_and(|oldest| now.saturating_duration_since(*oldest) >= MINUTE) {
            return false;
        }
        self.limited.replace(now).is_none_or(|before| now.saturating_duration_since(before) > EPISODE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().expect("an address"))
    }

    #[test]
    fn ten_in_a_minute_are_verified_and_the_next_when_the_first_is_a_minute_old() {
        let limit = AddressLimit::new(10);
        let (here, there, begin) = (network("192.0.2.1"), network("192.0.2.2"), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        for second in 0..10 {
            assert_eq!(limit.state(here, at(second)), AddressState::Free);
            limit.failed(here, at(second));
        }
        assert_eq!(limit.state(here, at(9)), AddressState::RateLimited { retry_after: Duration::from_secs(51) });
        assert_eq!(limit.state(there, at(9)), AddressState::Free);
        assert_eq!(limit.state(here, at(60)), AddressState::Free);
        limit.failed(here, at(60));
        assert_eq!(limit.state(here, at(60)), AddressState::RateLimited { retry_after: Duration::from_secs(1) });
    }

    #[test]
    fn what_other_nodes_have_seen_counts_from_when_they_saw_it() {
        let limit = AddressLimit::new(5);
        let (here, begin) = (network("192.0.2.1"), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        limit.failed(here, at(0));
        limit.failed(here, at(20));
        limit.failed_elsewhere(here, 2, Duration::from_secs(15), at(25));
        assert_eq!(limit.state(here, at(25)), AddressState::Free);
        limit.failed_elsewhere(here, 1, Duration::from_secs(3), at(25));
        assert_eq!(limit.state(here, at(25)), AddressState::RateLimited { retry_after: Duration::from_secs(35) });
        assert_eq!(limit.state(here, at(60)), AddressState::Free);
        limit.failed(here, at(60));
        assert_eq!(limit.state(here, at(60)), AddressState::RateLimited { retry_after: Duration::from_secs(10) });
        limit.failed_elsewhere(here, u32::MAX, Duration::from_secs(1), at(100));
        assert_eq!(limit.state(here, at(100)), AddressState::RateLimited { retry_after: Duration::from_secs(59) });
        limit.failed_elsewhere(network("192.0.2.2"), 9, MINUTE, at(100));
        assert_eq!(limit.state(network("192.0.2.2"), at(100)), AddressState::Free);
    }

    #[test]
    fn an_episode_is_logged_once() {
        let (mut recent, begin) = (Recent::default(), Instant::now());
        let mut logged = |seconds: u64| recent.add(begin + Duration::from_secs(seconds), 3);
        assert_eq!([logged(0), logged(1), logged(2), logged(60), logged(61)], [false, false, true, false, false]);
        assert_eq!([logged(3000), logged(3001), logged(3002)], [false, false, true]);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let (limit, here, now) = (AddressLimit::new(0), network("192.0.2.1"), Instant::now());
        for _ in 0..1000 {
            limit.failed(here, now);
        }
        assert_eq!(limit.state(here, now), AddressState::Free);
    }
}
