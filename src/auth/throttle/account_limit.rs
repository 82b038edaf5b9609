//! How long an account takes no password after wrong ones: waits that double, and an end after too many in a day.

use crate::storage::metadata::FailureRecord;

/// The time in which wrong passwords are counted, in seconds.
pub(in crate::auth) const DAY: i64 = 24 * 60 * 60;
/// Wrong passwords in a row without a wait. Some clients try a bad password twice, so a person has half of these.
pub(in crate::auth) const FREE: u32 = 10;
/// The longest wait between two passwords, in seconds.
const LONGEST: i64 = 15 * 60;
/// Times that lie further in the future than this, in seconds, come from a clock that was wrong, and do not count.
const SKEW: i64 = 5 * 60;

/// How many wrong passwords an account takes. Decides from times that it is given; the clock is the caller's.
#[derive(Clone, Copy, Debug)]
pub struct AccountLimit {
    a_day: usize,
}

/// A time in which the account's passwords are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it ends, in whole seconds since the Unix epoch.
    pub until: i64,
    /// Whether the day's wrong passwords are used up; else it is the wait after several in a row.
    pub locked: bool,
}

impl AccountLimit {
    /// At most `a_day` wrong passwords in any 24 hours, with waits between them after the first ten in a row; 0: no limit and no waits.
    pub fn new(a_day: u32) -> Self {
        Self { a_day: a_day as usize }
    }

    /// Whether wrong passwords are counted at all.
    pub(in crate::auth) fn counts(self) -> bool {
        self.a_day > 0
    }

    /// How many wrong passwords came in the last 24 hours.
    pub fn lately(failures: &FailureRecord, now: i64) -> usize {
        lately(failures, now).count()
    }

    /// The pause that `now` lies in.
    pub fn pause(self, failures: &FailureRecord, now: i64) -> Option<Pause> {
        if self.a_day == 0 || failures.at.is_empty() {
            return None;
        }
        let at: Vec<i64> = lately(failures, now).collect();
        let locked = at.len().checked_sub(self.a_day).map(|oldest| Pause { until: at[oldest] + DAY, locked: true });
        let waiting = at.last().map(|last| Pause { until: last + wait(failures.in_row, at.len()), locked: false });
        locked.into_iter().chain(waiting).max_by_key(|pause| pause.until).filter(|pause| pause.until > now)
    }
}

/// Not everything: what lies in the last 24 hours.
fn lately(failures: &FailureRecord, now: i64) -> impl Iterator<Item = i64> {
    failures.later_than(now.saturating_sub(DAY)).filter(move |at| *at <= now.saturating_add(SKEW))
}

/// The seconds between the last of `in_row` wrong passwords, of which `known` are not forgotten, and the next look.
fn wait(in_row: u32, known: usize) -> i64 {
    let in_row = in_row.min(u32::try_from(known).unwrap_or(u32::MAX));
    match in_row.checked_sub(FREE) {
        None => 0,
        Some(doublings) => 1_i64.checked_shl(doublings.min(32)).map_or(LONGEST, |seconds| seconds.min(LONGEST)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    /// An attacker who tries again as soon as it makes sense: when each of `count` passwords was looked at.
    fn looked_at(limit: AccountLimit, count: usize) -> Vec<i64> {
        let (mut failures, mut now) = (FailureRecord::default(), NOW);
        let mut times = Vec::new();
        for _ in 0..count {
            now = limit.pause(&failures, now).map_or(now, |pause| pause.until);
            times.push(now);
            failures.add(now, now - DAY);
        }
        times
    }

    #[test]
    fn ten_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let times = looked_at(AccountLimit::new(100), 24);
        let waits: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits[..9], [0; 9]);
        assert_eq!(waits[9..], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn after_a_hundred_in_a_day_it_is_locked_until_the_first_is_a_day_old() {
        let limit = AccountLimit::new(100);
        let spread = FailureRecord { at: (0..100).map(|n| NOW + n * 600).collect(), in_row: 3 };
        let last = NOW + 99 * 600;
        assert_eq!(limit.pause(&spread, last), Some(Pause { until: NOW + DAY, locked: true }));
        assert_eq!(limit.pause(&spread, NOW + DAY), None);
        let fewer = FailureRecord { at: spread.at[1..].to_vec(), in_row: 3 };
        assert_eq!(limit.pause(&fewer, last), None);
        assert_eq!(AccountLimit::lately(&spread, NOW + DAY), 99);
    }

    #[test]
    fn a_row_that_ended_asks_for_no_wait_and_what_is_forgotten_is_no_row() {
        let limit = AccountLimit::new(100);
        let mut failures = FailureRecord { at: vec![NOW; 30], in_row: 0 };
        assert_eq!(limit.pause(&failures, NOW), None);
        failures.in_row = 30;
        assert_eq!(limit.pause(&failures, NOW), Some(Pause { until: NOW + 900, locked: false }));
        failures.add(NOW + DAY, NOW);
        assert_eq!((failures.in_row, failures.at.len()), (1, 1));
    }

    #[test]
    fn a_clock_that_was_wrong_once_locks_nobody_out() {
        let failures = FailureRecord { at: vec![NOW + 10 * DAY; 200], in_row: 200 };
        assert_eq!(AccountLimit::new(100).pause(&failures, NOW), None);
    }

    #[test]
    fn without_a_limit_there_is_no_pause() {
        let failures = FailureRecord { at: vec![NOW; 5000], in_row: 5000 };
        assert_eq!(AccountLimit::new(0).pause(&failures, NOW), None);
        assert!(AccountLimit::new(3).pause(&failures, NOW).is_some_and(|pause| pause.locked));
    }

    proptest! {
        /// Whenever they come and whatever right ones come between: any 24 hours see no more than the limit.
        #[test]
        fn never_more_than_the_limit_is_looked_at_in_any_day(
            limit in 1_usize..120,
            tries in proptest::collection::vec((0_i64..4000, any::<u8>()), 1..600),
        ) {
            let rule = AccountLimit::new(u32::try_from(limit).expect("small"));
            let (mut failures, mut now, mut looks) = (FailureRecord::default(), NOW, Vec::new());
            for (later, kind) in tries {
                now += later;
                if rule.pause(&failures, now).is_some() {
                    continue;
                }
                if kind < 60 {
                    failures.in_row = 0;
                } else {
                    failures.add(now, now - DAY);
                    looks.push(now);
                }
            }
            for (first, next) in looks.iter().zip(looks.iter().skip(limit)) {
                prop_assert!(next - first >= DAY);
            }
            prop_assert!(failures.at.len() <= limit);
        }

        #[test]
        fn nobody_waits_longer_than_a_day(at in proptest::collection::vec(-DAY..400, 0..300), in_row in any::<u32>()) {
            let mut at: Vec<i64> = at.into_iter().map(|at| NOW + at).collect();
            at.sort_unstable();
            let pause = AccountLimit::new(100).pause(&FailureRecord { at, in_row }, NOW);
            prop_assert!(pause.is_none_or(|pause| pause.until > NOW && pause.until <= NOW + DAY + SKEW));
        }
    }
}
