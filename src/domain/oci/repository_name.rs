//! The name of a repository, the one identifier that rights and rows hang on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest repository name, in bytes.
pub const MAX_LENGTH: usize = 255;

/// A repository's name, valid by construction
/// (OCI distribution specification, "Pulling manifests": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, joined by `/`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

/// Why a text is not a repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRepositoryName {
    /// It is empty.
    #[error("a repository name cannot be empty")]
    Empty,
    /// It is longer than [`MAX_LENGTH`].
    #[error("a repository name has at most {MAX_LENGTH} characters")]
    TooLong,
    /// One of its components breaks the grammar.
    #[error(
        "a repository name consists of lower-case letters and digits, with single '.', '_', '__' or dashes \
         between them, in components separated by '/'"
    )]
    Malformed,
}

impl RepositoryName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components between the slashes, at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidRepositoryName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidRepositoryName::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(InvalidRepositoryName::TooLong);
        }
        if !text.split('/').all(is_path_component) {
            return Err(InvalidRepositoryName::Malformed);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` is one component: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
pub(in crate::domain) fn is_path_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_word(first)
        && is_word(last)
        && bytes
            .split(|&byte| is_word(byte))
            .all(|separator| matches!(separator, [] | b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_specification_are_accepted() {
        for name in ["a", "nginx", "library/nginx", "a.b/c_d/e__f/g---h", "0/1", "a1/b2"] {
            assert_eq!(name.parse::<RepositoryName>().map(|n| n.to_string()), Ok(name.to_owned()));
        }
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        for name in [
            "", "/", "a/", "/a", "a//b", "A", "a/B", "a..b", "a___b", "a._b", "-a", "a-", "a-_b", "a b", "ä", "a\0",
            "..", "a/../b", "a%2fb", "a:b", "a@b",
        ] {
            assert!(name.parse::<RepositoryName>().is_err(), "{name:?}");
        }
        assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(InvalidRepositoryName::TooLong));
    }
}
