//! The ranges of HTTP: what a download asks for, and where an upload's chunk belongs.

use std::ops::Range;
use std::str::FromStr;

/// One range of a `Range: bytes=...` header (RFC 9110, section 14.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-`: from there to the end.
    From(u64),
    /// `first-last`, both inclusive.
    Between(u64, u64),
    /// `-length`: the last bytes.
    Suffix(u64),
}

/// No byte of the content is in the range: 416.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range is outside of the content, which has {length} bytes")]
pub struct Unsatisfiable {
    /// The content's length in bytes.
    pub length: u64,
}

impl ByteRange {
    /// Reads a `Range` header. `None` where it must be ignored: another unit, several ranges, or no number where one belongs
    /// (RFC 9110, section 14.2).
    pub fn from_header(header: &str) -> Option<Self> {
        let spec = header.trim().strip_prefix("bytes=")?.trim();
        let (first, last) = spec.split_once('-')?;
        match (number(first), number(last)) {
            (Some(first), Some(last)) => Some(Self::Between(first, last)),
            (Some(first), None) if last.is_empty() => Some(Self::From(first)),
            (None, Some(length)) if first.is_empty() => Some(Self::Suffix(length)),
            _ => None,
        }
    }

    /// Whether the range is all that there is of an empty content: from byte 0 on, or some last bytes.
    pub fn includes_start_of_nothing(self) -> bool {
        match self {
            Self::From(first) | Self::Between(first, _) => first == 0,
            Self::Suffix(count) => count > 0,
        }
    }

    /// The half-open range of bytes in a content of `length` bytes; an end past the last byte is cut.
    pub fn within(self, length: u64) -> Result<Range<u64>, Unsatisfiable> {
        let (start, end) = match self {
            Self::From(first) => (first, length),
            Self::Between(first, last) => (first, last.saturating_add(1).min(length)),
            Self::Suffix(count) => (length.saturating_sub(count), length),
        };
        if start < end { Ok(start..end) } else { Err(Unsatisfiable { length }) }
    }
}

/// The `Content-Range` of an upload's chunk: `first-last`, both inclusive, without a unit
/// (OCI distribution specification, "Pushing a blob in chunks").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    first: u64,
    last: u64,
}

/// A text that is not a chunk range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Content-Range is 'FIRST-LAST', two byte offsets, both inclusive")]
pub struct InvalidContentRange;

impl ContentRange {
    /// The offset of the chunk's first byte.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The chunk's length in bytes, at least 1; saturates.
    pub const fn length(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl FromStr for ContentRange {
    type Err = InvalidContentRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').ok_or(InvalidContentRange)?;
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(InvalidContentRange),
        }
    }
}

/// Decimal digits and nothing else (`u64::from_str` would take a `+`); larger numbers stop at the largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(header: &str, length: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
        ByteRange::from_header(header).map(|range| range.within(length))
    }

    #[test]
    fn every_form_of_range() {
        assert_eq!(range("bytes=0-0", 10), Some(Ok(0..1)));
        assert_eq!(range("bytes=2-5", 10), Some(Ok(2..6)));
        assert_eq!(range("bytes=2-", 10), Some(Ok(2..10)));
        assert_eq!(range("bytes=-3", 10), Some(Ok(7..10)));
        assert_eq!(range("bytes=-30", 10), Some(Ok(0..10)));
        assert_eq!(range("bytes=5-99", 10), Some(Ok(5..10)));
        assert_eq!(range("bytes=0-99999999999999999999999", 10), Some(Ok(0..10)));
    }

    #[test]
    fn what_cannot_be_satisfied_and_what_is_ignored() {
        for header in ["bytes=10-", "bytes=10-11", "bytes=500-0", "bytes=-0", "bytes=5-4"] {
            assert_eq!(range(header, 10), Some(Err(Unsatisfiable { length: 10 })), "{header}");
        }
        for header in ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=+1-2"] {
            assert_eq!(range(header, 10), None, "{header}");
        }
        assert_eq!(range("bytes=0-", 0), Some(Err(Unsatisfiable { length: 0 })));
    }

    #[test]
    fn chunk_ranges_are_strict() {
        let range: ContentRange = "5-9".parse().expect("valid");
        assert_eq!((range.first(), range.length()), (5, 5));
        for text in ["", "5", "5-", "-5", "9-5", "bytes 5-9/10", "bytes=5-9", "5-9/10", "+5-9", " 5-9"] {
            assert_eq!(text.parse::<ContentRange>(), Err(InvalidContentRange), "{text:?}");
        }
    }
}
