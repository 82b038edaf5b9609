//! What a descriptor says that its content is.

use std::fmt;
use std::str::FromStr;

/// The longest text that is taken, in bytes.
const MAX_LENGTH: usize = 1024;

/// A descriptor's media type, as it was written: with parameters where it has some (`text/x;version=0.2`), which a manifest's own
/// type never has. The registry tells it to clients and makes no use of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescriptorType(Box<str>);

/// A text that cannot be a descriptor's media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media type of a descriptor must be 1 to {MAX_LENGTH} printable ASCII characters")]
pub struct InvalidDescriptorType;

impl DescriptorType {
    /// The media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DescriptorType {
    type Err = InvalidDescriptorType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_bounded = (1..=MAX_LENGTH).contains(&text.len());
        if is_bounded && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidDescriptorType)
        }
    }
}

impl fmt::Display for DescriptorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_kept_and_the_length_is_bounded() {
        let sigstore = "application/vnd.dev.sigstore.bundle+json;version=0.2";
        assert_eq!(sigstore.parse::<DescriptorType>().map(|kind| kind.to_string()), Ok(sigstore.to_owned()));
        assert!("a".repeat(1024).parse::<DescriptorType>().is_ok());
        for text in ["", "a/b\n", "a/\u{e9}", &"a".repeat(1025)] {
            assert!(text.parse::<DescriptorType>().is_err(), "{text:?}");
        }
    }
}
