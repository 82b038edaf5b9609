//! Durations as settings and arguments: [`TimeSpan`] reads and writes them.

use std::time::Duration;

use super::setting::{Setting, ValueError, quoted};
use crate::domain::TimeSpan;

/// So many seconds, minutes, hours or days: for the defaults and the bounds of a key.
pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Minutes of 60 seconds.
pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Hours of 60 minutes.
pub(super) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

/// Days of 24 hours.
pub(super) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// Reads a duration of a command's argument, written as in the configuration.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<TimeSpan>().map(Duration::from).map_err(|error| error.to_string())
}

impl Setting for Duration {
    const EXPECTED: &'static str = TimeSpan::EXPECTED;

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse::<TimeSpan>()
            .map(Self::from)
            .map_err(|_| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(TimeSpan::from(*self).to_string())
    }
}
