//! The state of an account from its wrong passwords: waits that double, and a lock after too many in a day.

use crate::storage::metadata::FailureRecord;

/// The time in which wrong passwords are counted, in seconds.
pub(super) const DAY: i64 = 24 * 60 * 60;
/// Consecutive wrong passwords without a wait. Some clients try a bad password twice, so a person has half of these.
pub(super) const WITHOUT_WAIT: u32 = 10;
/// The longest wait between two passwords, in seconds.
const LONGEST: i64 = 15 * 60;
/// Times further in the future than this, in seconds, come from a clock that was wrong, and do not count.
const SKEW: i64 = 5 * 60;

/// How many wrong passwords an account may be tried with. Decides from times that it is given; the clock is the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountLimit {
    max_per_day: usize,
}

/// What its wrong passwords mean for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountState {
    /// It is verified.
    Free,
    /// It is not verified yet, after several consecutive wrong ones.
    BackingOff {
        /// When it is free, in whole seconds since the Unix epoch.
        until: i64,
    },
    /// It is not verified, because the day's wrong passwords are used up.
    Locked {
        /// When it is free, in whole seconds since the Unix epoch.
        until: i64,
    },
}

impl AccountState {
    /// When the account is free, in whole seconds since the Unix epoch; `None` if it is free now.
    pub(crate) fn until(self) -> Option<i64> {
        match self {
            Self::Free => None,
            Self::BackingOff { until } | Self::Locked { until } => Some(until),
        }
    }
}

impl AccountLimit {
    /// At most `max_per_day` wrong passwords in any 24 hours, with waits between them after the first ten consecutive ones; 0: no limit and no
    /// waits.
    pub(crate) fn new(max_per_day: u32) -> Self {
        Self { max_per_day: max_per_day as usize }
    }

    /// Whether wrong passwords are counted at all.
    pub(super) fn counts(self) -> bool {
        self.max_per_day > 0
    }

    /// How many wrong passwords came in the last 24 hours.
    pub(crate) fn recent_failures(failures: &FailureRecord, now: i64) -> usize {
        recent(failures, now).count()
    }

    /// The state at `now`. Of a lock and a wait, the one that takes longer.
    pub(crate) fn state(self, failures: &FailureRecord, now: i64) -> AccountState {
        if self.max_per_day == 0 || failures.at.is_empty() {
            return AccountState::Free;
        }
        let at: Vec<i64> = recent(failures, now).collect();
        let oldest = at.len().checked_sub(self.max_per_day);
        let locked = oldest.map(|oldest| AccountState::Locked { until: at[oldest] + DAY });
        let waiting =
            at.last().map(|last| AccountState::BackingOff { until: last + wait(failures.consecutive, at.len()) });
        let longest = locked.into_iter().chain(waiting).max_by_key(|state| state.until());
        longest.filter(|state| state.until() > Some(now)).unwrap_or(AccountState::Free)
    }
}

/// Not everything: what came in the last 24 hours.
fn recent(failures: &FailureRecord, now: i64) -> impl Iterator<Item = i64> {
    failures.later_than(now.saturating_sub(DAY)).filter(move |at| *at <= now.saturating_add(SKEW))
}

/// The seconds between the last of `consecutive` wrong passwords, of which `known` are not forgotten, and the next verification.
fn wait(consecutive: u32, known: usize) -> i64 {
    let consecutive = consecutive.min(u32::try_from(known).unwrap_or(u32::MAX));
    match consecutive.checked_sub(WITHOUT_WAIT) {
        None => 0,
        Some(doublings) => 1_i64.checked_shl(doublings.min(32)).map_or(LONGEST, |seconds| seconds.min(LONGEST)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    /// An attacker who tries again as soon as it makes sense: when each of `count` passwords was verified.
    fn verified_at(limit: AccountLimit, count: usize) -> Vec<i64> {
        let (mut failures, mut now) = (FailureRecord::default(), NOW);
        let mut times = Vec::new();
        for _ in 0..count {
            now = limit.state(&failures, now).until().unwrap_or(now);
            times.push(now);
            failures.add(now, now - DAY);
        }
        times
    }

    #[test]
    fn ten_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let times = verified_at(AccountLimit::new(100), 24);
        let waits: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits[..9], [0; 9]);
        assert_eq!(waits[9..], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn after_a_hundred_in_a_day_it_is_locked_until_the_first_is_a_day_old() {
        let limit = AccountLimit::new(100);
        let spread = FailureRecord { at: (0..100).map(|n| NOW + n * 600).collect(), consecutive: 3 };
        let last = NOW + 99 * 600;
        assert_eq!(limit.state(&spread, last), AccountState::Locked { until: NOW + DAY });
        assert_eq!(limit.state(&spread, NOW + DAY), AccountState::Free);
        let fewer = FailureRecord { at: spread.at[1..].to_vec(), consecutive: 3 };
        assert_eq!(limit.state(&fewer, last), AccountState::Free);
        assert_eq!(AccountLimit::recent_failures(&spread, NOW + DAY), 99);
    }

    #[test]
    fn failures_that_ended_ask_for_no_wait_and_forgotten_ones_are_not_consecutive() {
        let limit = AccountLimit::new(100);
        let mut failures = FailureRecord { at: vec![NOW; 30], consecutive: 0 };
        assert_eq!(limit.state(&failures, NOW), AccountState::Free);
        failures.consecutive = 30;
        assert_eq!(limit.state(&failures, NOW), AccountState::BackingOff { until: NOW + 900 });
        failures.add(NOW + DAY, NOW);
        assert_eq!((failures.consecutive, failures.at.len()), (1, 1));
    }

    #[test]
    fn a_clock_that_was_wrong_once_locks_no_one_out() {
        let failures = FailureRecord { at: vec![NOW + 10 * DAY; 200], consecutive: 200 };
        assert_eq!(AccountLimit::new(100).state(&failures, NOW), AccountState::Free);
    }

    #[test]
    fn without_a_limit_an_account_is_always_free() {
        let failures = FailureRecord { at: vec![NOW; 5000], consecutive: 5000 };
        assert_eq!(AccountLimit::new(0).state(&failures, NOW), AccountState::Free);
        assert!(matches!(AccountLimit::new(3).state(&failures, NOW), AccountState::Locked { .. }));
    }

    proptest! {
        /// At whatever times, and with right ones in between: any 24 hours see no more than the limit.
        #[test]
        fn never_more_than_the_limit_is_verified_in_any_day(
            limit in 1_usize..120,
            tries in proptest::collection::vec((0_i64..4000, any::<u8>()), 1..600),
        ) {
            let rule = AccountLimit::new(u32::try_from(limit).expect("small"));
            let (mut failures, mut now, mut wrong) = (FailureRecord::default(), NOW, Vec::new());
            for (later, kind) in tries {
                now += later;
                if rule.state(&failures, now) != AccountState::Free {
                    continue;
                }
                if kind < 60 {
                    failures.consecutive = 0;
                } else {
                    failures.add(now, now - DAY);
                    wrong.push(now);
                }
            }
            for (first, next) in wrong.iter().zip(wrong.iter().skip(limit)) {
                prop_assert!(next - first >= DAY);
            }
            prop_assert!(failures.at.len() <= limit);
        }

        #[test]
        fn no_one_waits_longer_than_a_day(at in proptest::collection::vec(-DAY..400, 0..300), consecutive in any::<u32>()) {
            let mut at: Vec<i64> = at.into_iter().map(|at| NOW + at).collect();
            at.sort_unstable();
            let until = AccountLimit::new(100).state(&FailureRecord { at, consecutive }, NOW).until();
            prop_assert!(until.is_none_or(|until| until > NOW && until <= NOW + DAY + SKEW));
        }
    }
}
