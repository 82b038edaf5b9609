//! Amounts of bytes as people read them: `9.7 GiB`. What must be exact is written as [`crate::config::ByteSize`] or as a number.

use std::fmt;

const UNITS: [(u64, &str); 5] =
    [(1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// A number of bytes, shown with a unit and at most one decimal, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        let Some((size, unit)) = UNITS.into_iter().find(|(size, _)| bytes >= *size) else {
            return f.pad(&format!("{bytes} bytes"));
        };
        let (whole, tenths) = (bytes / size, bytes % size * 10 / size);
        f.pad(&if tenths == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_with_one_decimal_never_too_much() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (5 << 30, "5 GiB"),
            ((10 << 30) - 1, "9.9 GiB"),
            (3 << 49, "1.5 PiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(Amount(bytes).to_string(), text);
        }
    }
}
