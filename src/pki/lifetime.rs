//! How long certificates live and when they are replaced.

use std::time::Duration;

use jiff::Timestamp;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_hours(24);

/// Life of the root certificate: 10 years.
pub(crate) const ROOT_LIFE: Duration = DAY.saturating_mul(3652);
/// Life of the issuing certificate: 1 year.
pub(crate) const ISSUING_LIFE: Duration = DAY.saturating_mul(365);
/// Life of a server certificate: 90 days.
pub(crate) const LEAF_LIFE: Duration = DAY.saturating_mul(90);
/// Certificates begin this long ago, so that a client whose clock is behind accepts a new one.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_hours(1);

/// From here to the end of a certificate the server warns.
pub(crate) const EXPIRY_WARNING: Duration = DAY.saturating_mul(14);

/// From here to the end of the issuing certificate the server warns where the root key is not here to make a new one.
pub(crate) const ISSUING_WARNING: Duration = DAY.saturating_mul(60);
/// From here to the end of the root the server warns: clients need time to be told of a new one.
pub(crate) const ROOT_WARNING: Duration = DAY.saturating_mul(180);

/// Whether two thirds of the life have passed.
pub(crate) fn renewal_due(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> bool {
    let life = not_after.as_second().saturating_sub(not_before.as_second());
    now.as_second().saturating_sub(not_before.as_second()) >= life / 3 * 2
}

/// How long before its end to warn, in seconds: [`EXPIRY_WARNING`], or three tenths of a short life, when two thirds should have been
/// enough to renew it.
pub(crate) fn warning_time(not_before: Timestamp, not_after: Timestamp) -> i64 {
    let life = not_after.as_second().saturating_sub(not_before.as_second());
    EXPIRY_WARNING.as_secs().cast_signed().min(life / 10 * 3)
}

/// The validity of a certificate made `now`, never beyond the end of its issuer.
pub(crate) fn validity(
    now: Timestamp,
    life: Duration,
    issuer_ends: Option<Timestamp>,
) -> (OffsetDateTime, OffsetDateTime) {
    let begin = now.as_second().saturating_sub_unsigned(CLOCK_SKEW.as_secs());
    let end = now.as_second().saturating_add_unsigned(life.as_secs());
    let end = issuer_ends.map_or(end, |limit| end.min(limit.as_second()));
    (to_offset(begin), to_offset(end))
}

fn to_offset(seconds: i64) -> OffsetDateTime {
    // A clock outside of the years -9999..9999 makes a certificate that is refused as expired, not a panic.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renews_at_two_thirds() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(!renewal_due(at(0), at(90), at(59)));
        assert!(renewal_due(at(0), at(90), at(60)));
        assert!(renewal_due(at(0), at(90), at(1000)));
        assert!(renewal_due(at(10), at(10), at(10)));
    }

    #[test]
    fn short_lives_warn_late_but_before_the_end() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let day = 86_400;
        assert_eq!(warning_time(at(0), at(90 * day)), 14 * day);
        let six_days = warning_time(at(0), at(6 * day));
        assert!(six_days < 2 * day && six_days > day, "after the renewal at two thirds");
        assert!(!renewal_due(at(0), at(6 * day), at(4 * day - 1)));
    }

    #[test]
    fn never_outlives_its_issuer() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let limit = Timestamp::from_second(1_800_000_500).unwrap();
        let (_, end) = validity(now, LEAF_LIFE, Some(limit));
        assert_eq!(end.unix_timestamp(), 1_800_000_500);
    }
}
