//! Lengths of time as operators write them: `30s`, `5m`, `1h30m`, `30d`. The unit is always named, so no one has to guess whether `60` means
//! seconds or minutes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Units from the largest to the smallest, with their length in seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeSpan(u64);

/// A text that is not a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write {}", TimeSpan::EXPECTED)]
pub struct InvalidTimeSpan;

impl TimeSpan {
    /// What a text should look like.
    pub const EXPECTED: &'static str = r#"a duration such as "30s", "5m", "24h" or "30d""#;

    /// Of so many seconds.
    pub const fn of_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// In seconds, as the database counts them.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl From<TimeSpan> for Duration {
    fn from(span: TimeSpan) -> Self {
        Self::from_secs(span.0)
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs())
    }
}

/// Sums `<number><unit>` pairs whose units grow smaller; refuses anything else, overflow included.
impl FromStr for TimeSpan {
    type Err = InvalidTimeSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_seconds(text).map(Self).ok_or(InvalidTimeSpan)
    }
}

fn parse_seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest.get(..digits)?.parse().ok()?;
        let after = rest.get(digits..)?;
        let (unit, length) = units.find(|(unit, _)| after.starts_with(unit))?;
        total = total.checked_add(count.checked_mul(*length)?)?;
        rest = after.get(unit.len()..)?;
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// The shortest text with one unit that says the same: `90s`, `5m`, `24h`, `7d`.
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        let whole = |(_, length): &&(&str, u64)| seconds >= *length && seconds.is_multiple_of(*length);
        match UNITS.iter().find(whole) {
            // People say "24h" for one day and "7d" for a week.
            Some(("d", _)) if seconds == 86_400 => f.write_str("24h"),
            Some((unit, length)) => write!(f, "{}{unit}", seconds / length),
            None => f.write_str("0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_one_unit_and_several() {
        for (text, expected) in [
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("24h", 86_400),
            ("30d", 2_592_000),
            ("1h30m", 5_400),
            ("1d12h5m1s", 129_901),
            (" 5m ", 300),
        ] {
            assert_eq!(text.parse::<TimeSpan>().map(TimeSpan::seconds), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5M",
            "1.5h",
            "5min",
            "30m1h",
            "5m5m",
            "5ms",
            "5m5",
            "٣s",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            let error = text.parse::<TimeSpan>().expect_err(text).to_string();
            assert!(error.contains("duration"), "{text}: {error}");
        }
    }

    #[test]
    fn writes_what_people_say() {
        for text in ["0s", "1s", "90s", "5m", "90m", "24h", "36h", "7d", "30d"] {
            assert_eq!(text.parse::<TimeSpan>().expect("valid").to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in any::<u64>()) {
            prop_assert_eq!(TimeSpan(seconds).to_string().parse(), Ok(TimeSpan(seconds)));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<TimeSpan>();
        }
    }
}
