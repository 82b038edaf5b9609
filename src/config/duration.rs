//! Durations as operators write them: `30s`, `5m`, `1h30m`, `30d`.
//!
//! The unit is always named, so no one has to guess whether `60` means seconds or minutes.

use std::time::Duration;

use super::setting::{Setting, ValueError, quoted};

/// Units from the largest to the smallest, with their length in seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

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
    let seconds = parse_seconds(text).ok_or_else(|| format!("write {}", Duration::EXPECTED))?;
    Ok(Duration::from_secs(seconds))
}

impl Setting for Duration {
    const EXPECTED: &'static str = r#"a duration such as "30s", "5m", "24h" or "30d""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        parse_seconds(text)
            .map(Duration::from_secs)
            .ok_or_else(|| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(write(self.as_secs()))
    }
}

/// Sums `<number><unit>` pairs whose units grow smaller; `None` for anything else, overflow included.
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
fn write(seconds: u64) -> String {
    let whole = |(_, length): &&(&str, u64)| seconds >= *length && seconds.is_multiple_of(*length);
    match UNITS.iter().find(whole) {
        // People say "24h" for one day and "7d" for a week.
        Some(("d", _)) if seconds == 86_400 => "24h".to_owned(),
        Some((unit, length)) => format!("{}{unit}", seconds / length),
        None => "0s".to_owned(),
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
            assert_eq!(Duration::parse(text).unwrap().as_secs(), expected, "{text}");
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
            let error = Duration::parse(text).unwrap_err().text;
            assert!(error.contains("duration"), "{text}: {error}");
        }
    }

    #[test]
    fn writes_what_people_say() {
        for text in ["0s", "1s", "90s", "5m", "90m", "24h", "36h", "7d", "30d"] {
            let duration = Duration::parse(text).unwrap();
            assert_eq!(duration.to_toml().as_str(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in any::<u64>()) {
            prop_assert_eq!(parse_seconds(&write(seconds)), Some(seconds));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Duration::parse(&text);
        }
    }
}
