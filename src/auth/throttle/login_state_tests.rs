//! Every transition, and what any number of attempts in any order can never do.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::auth::throttle::account_limit::{AccountLimit, DAY};
use crate::auth::throttle::address_limit::AddressLimit;
use crate::auth::throttle::known_sources::Source;
use crate::domain::Network;
use crate::storage::metadata::FailureRecord;

const NOW: i64 = 1_700_000_000;
const RIGHT: PasswordOutcome = PasswordOutcome::Right { rehashed: None };

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn an_attempt_is_free_only_where_account_and_address_are() {
    let (free, quiet) = (AccountState::Free, AddressState::Free);
    let limited = |seconds| AddressState::RateLimited { retry_after: Duration::from_secs(seconds) };
    let wait = |retry_after| Login::Limited { retry_after };
    assert_eq!(Login::new(free, quiet, NOW), Login::Free);
    assert_eq!(Login::new(AccountState::BackingOff { until: NOW + 4 }, quiet, NOW), wait(seconds(4)));
    assert_eq!(Login::new(AccountState::Locked { until: NOW + DAY }, limited(9), NOW), wait(seconds(86_400)));
    assert_eq!(Login::new(AccountState::BackingOff { until: NOW + 4 }, limited(9), NOW), wait(seconds(9)));
    assert_eq!(Login::new(free, limited(9), NOW), wait(seconds(9)));
}

#[test]
fn a_limited_attempt_passes_by_a_known_password_alone_and_ends_nothing() {
    let limited = || Login::Limited { retry_after: seconds(9) };
    assert_eq!(limited().admit(|| false), Err(RateLimited { retry_after: seconds(9) }));
    let known = limited().admit(|| true).expect("known");
    assert_eq!(known.settle(&RIGHT, true), Settled::Right { ends_consecutive: false });
    let free = Login::Free.admit(|| panic!("of a free attempt nothing is asked")).expect("free");
    assert_eq!(free.settle(&RIGHT, true), Settled::Right { ends_consecutive: true });
}

#[test]
fn what_is_wrong_or_may_not_pass_is_settled_alike() {
    for known in [false, true] {
        let verifying = || if known { Login::Limited { retry_after: seconds(1) } } else { Login::Free }.admit(|| true);
        assert_eq!(verifying().expect("admitted").settle(&PasswordOutcome::Wrong, true), Settled::Wrong);
        assert_eq!(verifying().expect("admitted").settle(&RIGHT, false), Settled::Wrong);
    }
}

/// One account, addresses, and their sources, moved by the transitions alone.
struct Model {
    limit: AccountLimit,
    addresses: AddressLimit,
    failures: FailureRecord,
    sources: [Source; 3],
    begin: Instant,
    elapsed: u64,
}

/// What an attempt got to know.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    RateLimited,
    Wrong,
    Right,
}

impl Model {
    fn now(&self) -> i64 {
        NOW + i64::try_from(self.elapsed).expect("small")
    }

    fn attempt(&mut self, from: u8, password: u8) -> Answer {
        let (now, instant) = (self.now(), self.begin + seconds(self.elapsed));
        let address = Network::of([192, 0, 2, from].into());
        let login = Login::new(self.limit.state(&self.failures, now), self.addresses.state(address, instant), now);
        let (source, fingerprint) = (&mut self.sources[usize::from(from)], [password; 32]);
        let Ok(verifying) = login.admit(|| source.tried_while_limited(&fingerprint)) else {
            return Answer::RateLimited;
        };
        let outcome = if password == 0 { RIGHT } else { PasswordOutcome::Wrong };
        match verifying.settle(&outcome, true) {
            Settled::Wrong => {
                self.addresses.failed(address, instant);
                self.failures.add(now, now - DAY);
                Answer::Wrong
            }
            Settled::Right { ends_consecutive } => {
                source.verified(&fingerprint);
                if ends_consecutive {
                    self.failures.consecutive = 0;
                }
                Answer::Right
            }
        }
    }
}

proptest! {
    #[test]
    fn no_order_of_attempts_gets_more_answers_than_the_limits_allow(
        limit in 1_usize..40,
        per_minute in 1_usize..6,
        attempts in proptest::collection::vec((0_u64..400, 0_u8..3, 0_u8..6), 1..400),
    ) {
        let mut model = Model {
            limit: AccountLimit::new(u32::try_from(limit).expect("small")),
            addresses: AddressLimit::new(u32::try_from(per_minute).expect("small")),
            failures: FailureRecord::default(),
            sources: [Source::Unknown; 3],
            begin: Instant::now(),
            elapsed: 0,
        };
        let mut wrong: Vec<(u64, u8)> = Vec::new();
        for (later, from, password) in attempts {
            model.elapsed += later;
            let known = model.sources[usize::from(from)] != Source::Unknown;
            let before = model.failures.clone();
            match model.attempt(from, password) {
                Answer::Wrong => wrong.push((model.elapsed, from)),
                Answer::Right => prop_assert_eq!(password, 0),
                // It changes nothing of the account, and a source that is not known learns nothing by it.
                Answer::RateLimited => {
                    prop_assert_eq!(&model.failures, &before);
                    prop_assert!(known || model.sources[usize::from(from)] == Source::Unknown);
                }
            }
        }
        for (first, next) in wrong.iter().zip(wrong.iter().skip(limit)) {
            prop_assert!(next.0 - first.0 >= DAY.unsigned_abs());
        }
        for address in 0..3 {
            let of_address: Vec<u64> = wrong.iter().filter(|(_, from)| *from == address).map(|(at, _)| *at).collect();
            for (first, next) in of_address.iter().zip(of_address.iter().skip(per_minute)) {
                prop_assert!(next - first >= 60);
            }
        }
    }
}
