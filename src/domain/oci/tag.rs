//! A tag: a name that points to a manifest and may move.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest tag, in bytes.
pub const MAX_LENGTH: usize = 128;

/// A tag, valid by construction: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution specification, "Pulling manifests").
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

/// A text that is not a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tag has 1 to {MAX_LENGTH} letters, digits, '_', '.' and '-', and starts with none of the last two")]
pub struct InvalidTag;

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts_well = text.bytes().next().is_some_and(is_word);
        let continues_well = text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
        if starts_well && continues_well && text.len() <= MAX_LENGTH { Ok(Self(text.into())) } else { Err(InvalidTag) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_grammar() {
        for tag in ["latest", "v1.0-rc.1", "_x", "A", &"a".repeat(128)] {
            assert!(tag.parse::<Tag>().is_ok(), "{tag:?}");
        }
        for tag in ["", ".a", "-a", "a b", "a/b", "a:b", "ä", &"a".repeat(129)] {
            assert_eq!(tag.parse::<Tag>(), Err(InvalidTag), "{tag:?}");
        }
    }
}
