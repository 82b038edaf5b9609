//! How many wrong passwords an address may try in a minute. In memory: a restart forgets them, the accounts' own limit does not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

pub(in crate::auth) use crate::domain::Network;

const MINUTE: Duration = Duration::from_mins(1);
/// How long the log says nothing new of an address that it spoke of: as long as it goes on, and this long after.
const EPISODE: Duration = Duration::from_mins(10);
/// How many addresses are remembered; those that were quiet for longest make way.
const CAPACITY: u64 = 50_000;

/// See the module.
pub(in crate::auth) struct AddressLimit {
    a_minute: usize,
    recent: Cache<Network, Arc<Mutex<Recent>>>,
}

#[derive(Default)]
struct Recent {
    /// The newest wrong passwords, as many as are allowed, oldest first.
    at: VecDeque<Instant>,
    limited: Option<Instant>,
}

impl AddressLimit {
    /// At most `a_minute` wrong passwords in any minute; 0: no limit.
    pub(in crate::auth) fn new(a_minute: u32) -> Self {
        let recent = Cache::builder().max_capacity(CAPACITY).time_to_idle(EPISODE);
        Self { a_minute: a_minute as usize, recent: recent.eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// How long passwords from there are not looked at.
    pub(in crate::auth) fn pause(&self, from: Network, now: Instant) -> Option<Duration> {
        let recent = self.recent.get(&from)?;
        let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = recent.at.front().filter(|_| recent.at.len() >= self.a_minute)?;
        MINUTE.checked_sub(now.saturating_duration_since(*oldest)).filter(|pause| !pause.is_zero())
    }

    /// Counts a wrong password from there.
    pub(in crate::auth) fn failed(&self, from: Network, now: Instant) {
        if self.a_minute == 0 {
            return;
        }
        let recent = self.recent.get_with(from, Arc::default);
        if recent.lock().unwrap_or_else(PoisonError::into_inner).add(now, self.a_minute) {
            tracing::warn!(
                address = %from,
                failures = self.a_minute,
                "an address sends wrong passwords: for the rest of the minute no more of them are looked at"
            );
        }
    }
}

impl Recent {
    /// Counts one more; `true` where the limit is reached and the log should say so.
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
    fn ten_in_a_minute_are_looked_at_and_the_next_when_the_first_is_a_minute_old() {
        let limit = AddressLimit::new(10);
        let (here, there, begin) = (network("192.0.2.1"), network("192.0.2.2"), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        for second in 0..10 {
            assert_eq!(limit.pause(here, at(second)), None);
            limit.failed(here, at(second));
        }
        assert_eq!(limit.pause(here, at(9)), Some(Duration::from_secs(51)));
        assert_eq!(limit.pause(there, at(9)), None);
        assert_eq!(limit.pause(here, at(60)), None);
        limit.failed(here, at(60));
        assert_eq!(limit.pause(here, at(60)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn an_episode_is_told_once() {
        let (mut recent, begin) = (Recent::default(), Instant::now());
        let mut told = |seconds: u64| recent.add(begin + Duration::from_secs(seconds), 3);
        assert_eq!([told(0), told(1), told(2), told(60), told(61)], [false, false, true, false, false]);
        assert_eq!([told(3000), told(3001), told(3002)], [false, false, true]);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let (limit, here, now) = (AddressLimit::new(0), network("192.0.2.1"), Instant::now());
        for _ in 0..1000 {
            limit.failed(here, now);
        }
        assert_eq!(limit.pause(here, now), None);
    }
}
