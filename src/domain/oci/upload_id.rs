//! The name of an upload session.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// An upload session's name: time-ordered and random (UUID version 7, RFC 9562). It is not a secret; a session also belongs to its
/// repository and to the subject that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Uuid);

/// A text that names no upload session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an upload session is named by a UUID")]
pub struct InvalidUploadId;

impl UploadId {
    /// A new name.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidUploadId)?;
        // One spelling per name: the hyphenated lower-case one.
        if uuid.hyphenated().to_string() == text { Ok(Self(uuid)) } else { Err(InvalidUploadId) }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_spelling() {
        let id = UploadId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(
            id.to_string().to_uppercase().parse::<UploadId>().is_err()
                || id.to_string().bytes().all(|b| b.is_ascii_digit() || b == b'-')
        );
        assert!(id.to_string().replace('-', "").parse::<UploadId>().is_err());
        assert!("../../etc/passwd".parse::<UploadId>().is_err());
    }
}
