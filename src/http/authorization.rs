//! The `Authorization` header, parsed (RFC 9110, section 11.6.2).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::auth::Secret;

/// What a request presents. `Debug` shows neither password nor token.
pub enum Authorization<'h> {
    /// Name and password (RFC 7617); the password may contain colons.
    Basic {
        /// As it was typed.
        name: String,
        /// As it was typed.
        password: Secret,
    },
    /// A token (RFC 6750).
    Bearer(&'h str),
}

/// A header that is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header is neither Basic nor Bearer credentials")]
pub struct InvalidAuthorization;

impl<'h> Authorization<'h> {
    /// Reads the header's value.
    pub fn parse(header: &'h str) -> Result<Self, InvalidAuthorization> {
        let (scheme, credentials) = header.split_once(' ').ok_or(InvalidAuthorization)?;
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            Ok(Self::Bearer(credentials))
        } else if scheme.eq_ignore_ascii_case("basic") {
            Self::basic(credentials).ok_or(InvalidAuthorization)
        } else {
            Err(InvalidAuthorization)
        }
    }

    fn basic(encoded: &str) -> Option<Self> {
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        Some(Self::Basic { name: name.to_owned(), password: Secret::new(password).ok()? })
    }
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { name, .. } => write!(f, "Basic({name:?}, redacted)"),
            Self::Bearer(_) => f.write_str("Bearer(redacted)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_may_contain_colons() {
        let header = format!("bAsIc {}", STANDARD.encode("alice:a:b:c"));
        match Authorization::parse(&header) {
            Ok(Authorization::Basic { name, password }) => {
                assert_eq!((name.as_str(), password.expose()), ("alice", "a:b:c"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for header in ["", "Basic", "Basic !!!", "Basic YQ==", "Digest x", "Bearer"] {
            assert_eq!(Authorization::parse(header).err(), Some(InvalidAuthorization), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header in "\\PC*") {
            let _ = Authorization::parse(&header);
        }
    }
}
