//! Amounts of bytes as operators write them: `4MiB`, `256kB`, `10GiB`.
//!
//! Binary and decimal units are both there and both spelt out; `4M`, which means one thing to `dd` and another to a
//! disk's label, is refused.

use std::fmt;

use super::setting::{Setting, ValueError, quoted};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Units from the largest to the smallest, binary ones before decimal ones of the same letter.
const UNITS: [(&str, u64); 9] = [
    ("TiB", TIB),
    ("TB", 1_000_000_000_000),
    ("GiB", GIB),
    ("GB", 1_000_000_000),
    ("MiB", MIB),
    ("MB", 1_000_000),
    ("KiB", KIB),
    ("kB", 1_000),
    ("B", 1),
];

/// An amount of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// This many bytes.
    pub(crate) const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1024 bytes.
    pub(super) const fn kib(count: u64) -> Self {
        Self(count * KIB)
    }

    /// This many times 1024 x 1024 bytes.
    pub(super) const fn mib(count: u64) -> Self {
        Self(count * MIB)
    }

    /// This many times 1024 x 1024 x 1024 x 1024 bytes.
    pub(super) const fn tib(count: u64) -> Self {
        Self(count * TIB)
    }

    /// The amount in bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// The amount of memory in bytes, as far as this machine can address it.
    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// With the largest unit that leaves a whole number, so that nothing is rounded.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, length): &&(&str, u64)| self.0 >= *length && self.0.is_multiple_of(*length);
        match UNITS.iter().find(whole) {
            Some((unit, length)) => write!(f, "{}{unit}", self.0 / length),
            None => f.write_str("0B"),
        }
    }
}

impl Setting for ByteSize {
    const EXPECTED: &'static str = r#"a size such as "512KiB", "4MiB" or "10GB""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        parse_bytes(text)
            .map(Self)
            .ok_or_else(|| ValueError::new(format!("{} is not {}", quoted(text), Self::EXPECTED)))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

/// Reads a size of a command's argument, written as in the configuration.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, String> {
    parse_bytes(text).map(ByteSize).ok_or_else(|| format!("write {}", ByteSize::EXPECTED))
}

fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text.get(..digits)?.parse().ok()?;
    let unit = text.get(digits..)?;
    let (_, length) = UNITS.iter().find(|(known, _)| *known == unit)?;
    count.checked_mul(*length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_binary_and_decimal_units() {
        for (text, expected) in [
            ("0B", 0),
            ("17B", 17),
            ("512KiB", 524_288),
            ("4MiB", 4_194_304),
            ("10GB", 10_000_000_000),
            ("2TiB", 2_199_023_255_552),
        ] {
            assert_eq!(ByteSize::parse(text).unwrap().bytes(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in ["", "4", "MiB", "4M", "4mib", "4 MiB", "-4MiB", "1.5GiB", "4MiB4", "99999999TiB", "4KB"] {
            let error = ByteSize::parse(text).unwrap_err().text;
            assert!(error.contains("size"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in any::<u64>()) {
            prop_assert_eq!(parse_bytes(&ByteSize(bytes).to_string()), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = ByteSize::parse(&text);
        }
    }
}
