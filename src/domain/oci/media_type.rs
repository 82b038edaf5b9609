//! A media type without parameters, kept as it was sent, compared without case.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The longest media type, in bytes (RFC 6838 allows 127 for each half).
const MAX_LENGTH: usize = 255;

/// `type/subtype` (RFC 6838, section 4.2). Two that differ in case alone are equal.
#[derive(Clone, Debug)]
pub struct MediaType(Box<str>);

impl PartialEq for MediaType {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for MediaType {}

impl Hash for MediaType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.to_ascii_lowercase().as_bytes());
    }
}

/// A text that is not a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media type is 'type/subtype' (RFC 6838)")]
pub struct InvalidMediaType;

impl MediaType {
    /// The media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the value of a `Content-Type` header: parameters such as `charset` are dropped.
    pub fn from_content_type(header: &str) -> Result<Self, InvalidMediaType> {
        header.split(';').next().unwrap_or_default().trim().parse()
    }
}

impl FromStr for MediaType {
    type Err = InvalidMediaType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |part: &str| {
            part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        match text.split_once('/') {
            Some((kind, subtype)) if text.len() <= MAX_LENGTH && is_name(kind) && is_name(subtype) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidMediaType),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_count_and_is_kept() {
        let of = |text: &str| text.parse::<MediaType>().expect("a media type");
        assert_eq!(of("Application/JSON"), of("application/json"));
        assert_ne!(of("application/json"), of("application/json5"));
        assert_eq!(of("Application/JSON").as_str(), "Application/JSON");
    }

    #[test]
    fn parameters_are_dropped_and_nonsense_refused() {
        let header = "application/vnd.oci.image.manifest.v1+json; charset=utf-8";
        assert_eq!(
            MediaType::from_content_type(header).map(|m| m.to_string()),
            Ok("application/vnd.oci.image.manifest.v1+json".to_owned())
        );
        for text in ["", "json", "/", "a/", "/b", "a/b/c", "a b/c", "a/b\n"] {
            assert!(text.parse::<MediaType>().is_err(), "{text:?}");
        }
    }
}
