//! The pattern that a rule selects tags by.

use std::fmt;
use std::str::FromStr;

use super::glob::wildcard;
use crate::domain::Tag;
use crate::domain::oci::tag::MAX_LENGTH;

/// A tag in which `*` stands for any characters, also none. It covers whole tags, and tells capitals apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagPattern(String);

/// A text that is not such a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid pattern of tags '{0}': write a tag, with '*' for any characters, as in 'v*' or 'pr-*'")]
pub struct InvalidTagPattern(String);

impl TagPattern {
    /// Covers every tag.
    pub fn all() -> Self {
        Self("*".to_owned())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers `tag`, the whole of it.
    pub fn matches(&self, tag: &Tag) -> bool {
        wildcard(self.0.as_bytes(), tag.as_str().as_bytes(), |p| *p == b'*', 0, |p, t| p == t)
    }
}

impl FromStr for TagPattern {
    type Err = InvalidTagPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-*".contains(&byte);
        let starts_well = !text.starts_with(['.', '-']);
        if !text.is_empty() && text.len() <= MAX_LENGTH && starts_well && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTagPattern(text.to_owned()))
        }
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, tag: &str) -> bool {
        pattern.parse::<TagPattern>().expect(pattern).matches(&tag.parse().expect(tag))
    }

    #[test]
    fn a_star_stands_for_any_characters_and_all_else_for_itself() {
        assert!(covers("*", "latest") && covers("v*", "v1.2") && covers("v*", "v") && covers("*-rc*", "1.0-rc.1"));
        assert!(covers("v*.*.*", "v1.2.3") && covers("latest", "latest"));
        assert!(
            !covers("v*", "V1") && !covers("v*", "av1") && !covers("latest", "latest2") && !covers("v*.*.*", "v1.2")
        );
    }

    #[test]
    fn what_no_tag_could_match_is_refused() {
        for text in ["", ".x", "-x", "a b", "a/b", "a:b", "v[0-9]", "v?", "a,b", &"a".repeat(129)] {
            assert!(text.parse::<TagPattern>().is_err(), "{text:?}");
        }
    }
}
