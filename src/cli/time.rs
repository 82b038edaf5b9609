//! Times as arguments.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::config::parse_duration;
use crate::domain::Clock;

/// Seconds since the Unix epoch: of a date with its zone, of one in UTC, or of so long ago.
pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_second());
    }
    if let Ok(date) = text.parse::<DateTime>() {
        let time = TimeZone::UTC.to_timestamp(date).map_err(|error| error.to_string())?;
        return Ok(time.as_second());
    }
    let ago = parse_duration(text)
        .map_err(|_| "write a date such as 2026-11-26T14:00:00Z, or how long ago, such as 90m or 2d".to_owned())?;
    Ok(Clock::system().seconds().saturating_sub_unsigned(ago.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_how_long_ago_it_was() {
        for text in ["2026-11-26T14:00:00Z", "2026-11-26T15:00:00+01:00", "2026-11-26T14:00", "2026-11-26 14:00:00"] {
            assert_eq!(parse_time(text), Ok(1_795_701_600), "{text}");
        }
        assert_eq!(parse_time("2026-11-26"), Ok(1_795_651_200));
        let now = Clock::system().seconds();
        assert!(parse_time("2h").is_ok_and(|time| (now - 7200..now - 7100).contains(&time)));
        assert!(parse_time("yesterday").expect_err("no time").contains("2026-11-26T14:00:00Z"));
    }
}
