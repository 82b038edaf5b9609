//! When token keys come and go: a successor is published a day before it signs, and the old one stays while its tokens may return.

use crate::auth::credentials::{EXPIRED_GRACE, LEEWAY};
use crate::auth::settings::seconds;
use crate::config::AuthSettings;
use crate::storage::metadata::TokenKeyRecord;

/// How long a key is published before it signs, unless the rotation is shorter than two days: anyone who caches the key set for less knows it.
const LEAD: i64 = 24 * 60 * 60;

/// How keys rotate, in seconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) struct KeySchedule {
    period: i64,
    lead: i64,
    retention: i64,
}

/// What is to be done to the keys.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Step<'a> {
    /// Make a key that signs from this time on.
    Add {
        /// The key that it follows.
        successor_of: Option<&'a str>,
        /// From when on it signs.
        signs_from: i64,
    },
    /// Remove the key: none of its tokens is accepted any more.
    Remove(&'a str),
}

impl KeySchedule {
    pub(in crate::auth) fn new(settings: &AuthSettings) -> Self {
        let period = seconds(settings.key_rotation).max(2 * settings.token_seconds());
        let retention = settings.token_seconds() + EXPIRED_GRACE + 2 * LEEWAY;
        Self { period, lead: LEAD.min(period / 2), retention }
    }

    /// What is due `now`; with no key at all, one that signs at once.
    pub(in crate::auth) fn due<'a>(&self, keys: &'a [TokenKeyRecord], now: i64) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        match keys.iter().max_by_key(|key| key.signs_from) {
            None => steps.push(Step::Add { successor_of: None, signs_from: now }),
            Some(newest) if now + self.lead >= newest.signs_from.saturating_add(self.period) => {
                steps.push(Step::Add { successor_of: Some(&newest.kid), signs_from: now + self.lead });
            }
            Some(_) => {}
        }
        let done = keys.iter().filter(|key| key.signs_until.saturating_add(self.retention) < now);
        steps.extend(done.map(|key| Step::Remove(&key.kid)));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;
    const ROTATION: KeySchedule = KeySchedule { period: 30 * DAY, lead: DAY, retention: DAY + 420 };

    fn key(kid: &str, signs_from: i64, signs_until: i64) -> TokenKeyRecord {
        TokenKeyRecord { kid: kid.to_owned(), sealed: Vec::new(), created_at: signs_from, signs_from, signs_until }
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(ROTATION.due(&[], 5), [Step::Add { successor_of: None, signs_from: 5 }]);
        assert!(ROTATION.due(&[key("a", 5, i64::MAX)], 5).is_empty());
    }

    #[test]
    fn a_successor_is_published_a_day_ahead_and_only_once() {
        let first = key("a", 0, i64::MAX);
        assert!(ROTATION.due(std::slice::from_ref(&first), 29 * DAY - 1).is_empty());
        assert_eq!(
            ROTATION.due(std::slice::from_ref(&first), 29 * DAY),
            [Step::Add { successor_of: Some("a"), signs_from: 30 * DAY }]
        );
        let both = [key("a", 0, 30 * DAY), key("b", 30 * DAY, i64::MAX)];
        assert!(ROTATION.due(&both, 29 * DAY).is_empty());
        // After a long sleep too, the successor is published before it signs.
        assert_eq!(ROTATION.due(&[first], 90 * DAY), [Step::Add { successor_of: Some("a"), signs_from: 91 * DAY }]);
    }

    #[test]
    fn the_old_key_stays_while_its_tokens_may_return() {
        let both = [key("a", 0, 30 * DAY), key("b", 30 * DAY, i64::MAX)];
        assert!(ROTATION.due(&both, 31 * DAY + 420).is_empty());
        assert_eq!(ROTATION.due(&both, 31 * DAY + 421), [Step::Remove("a")]);
    }
}
