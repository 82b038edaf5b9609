//! How many wrong passwords an address may try in a minute. In memory: a restart forgets them, the accounts' own limit does not.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

const MINUTE: Duration = Duration::from_mins(1);
/// How long the log says nothing new of an address that it spoke of: as long as it goes on, and this long after.
const EPISODE: Duration = Duration::from_mins(10);
/// How many addresses are remembered; those that were quiet for longest make way.
const CAPACITY: u64 = 50_000;

/// Whoever shares a limit: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer has at the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    pub(super) fn site(self) -> Site {
        Site(match self.0 {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80))),
        })
    }
}

/// What one customer of a provider may have as a whole: 24 bits of IPv4, 48 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Site(IpAddr);

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// See the module.
pub(super) struct AddressLimit {
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
    pub(super) fn new(a_minute: u32) -> Self {
        let recent = Cache::builder().max_capacity(CAPACITY).time_to_idle(EPISODE);
        Self { a_minute: a_minute as usize, recent: recent.eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// How long passwords from there are not looked at.
    pub(super) fn pause(&self, from: Network, now: Instant) -> Option<Duration> {
        let recent = self.recent.get(&from)?;
        let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = recent.at.front().filter(|_| recent.at.len() >= self.a_minute)?;
        MINUTE.checked_sub(now.saturating_duration_since(*oldest)).filter(|pause| !pause.is_zero())
    }

    /// Counts a wrong password from there.
    pub(super) fn failed(&self, from: Network, now: Instant) {
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
    fn an_ipv6_network_of_64_bits_counts_as_one_and_a_mapped_address_as_ipv4() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::7"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
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
