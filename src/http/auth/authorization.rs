//! The `Authorization` header, parsed (RFC 9110, section 11.6.2).

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::auth::{PasswordTooLong, Secret};

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

/// A header that cannot be read, and why. The texts are for its sender; none shows what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuthorization {
    /// Another scheme, or none.
    #[error("the Authorization header is neither Basic nor Bearer credentials")]
    Scheme,
    /// What follows `Basic` cannot be decoded.
    #[error("the Basic credentials are not valid base64 (RFC 4648, section 4, with padding)")]
    Base64,
    /// It can, to bytes that are not text.
    #[error("the Basic credentials are not valid UTF-8: encode name and password as UTF-8 before base64")]
    Utf8,
    /// A text that is not `name:password`.
    #[error("the Basic credentials have no colon between name and password")]
    Colon,
    /// The password is too long to be right.
    #[error(transparent)]
    Length(#[from] PasswordTooLong),
}

impl<'h> Authorization<'h> {
    /// Reads the request's header, which stands there at most once: the router refuses requests with more. `None` without it.
    pub(in crate::http) fn of(headers: &'h HeaderMap) -> Option<Result<Self, InvalidAuthorization>> {
        let value = headers.get(header::AUTHORIZATION)?;
        Some(value.to_str().map_err(|_| InvalidAuthorization::Scheme).and_then(Self::parse))
    }

    /// Reads the header's value.
    pub fn parse(header: &'h str) -> Result<Self, InvalidAuthorization> {
        let (scheme, credentials) = header.split_once(' ').ok_or(InvalidAuthorization::Scheme)?;
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            Ok(Self::Bearer(credentials))
        } else if scheme.eq_ignore_ascii_case("basic") {
            Self::basic(credentials)
        } else {
            Err(InvalidAuthorization::Scheme)
        }
    }

    fn basic(encoded: &str) -> Result<Self, InvalidAuthorization> {
        let decoded = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| InvalidAuthorization::Base64)?);
        let decoded = std::str::from_utf8(&decoded).map_err(|_| InvalidAuthorization::Utf8)?;
        let (name, password) = decoded.split_once(':').ok_or(InvalidAuthorization::Colon)?;
        Ok(Self::Basic { name: name.to_owned(), password: Secret::new(password)? })
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
    fn what_cannot_be_read_is_refused_and_the_reason_named() {
        use InvalidAuthorization::{Base64, Colon, Length, Scheme, Utf8};
        let latin1 = format!("Basic {}", STANDARD.encode(b"alice:p\xe4ssword"));
        let long = format!("Basic {}", STANDARD.encode(format!("alice:{}", "x".repeat(1025))));
        for (header, reason) in [
            ("", Scheme),
            ("Basic", Scheme),
            ("Digest x", Scheme),
            ("Bearer", Scheme),
            ("Basic !!!", Base64),
            ("Basic YWxpY2U6eA", Base64),
            (latin1.as_str(), Utf8),
            ("Basic YQ==", Colon),
            (long.as_str(), Length(PasswordTooLong)),
        ] {
            assert_eq!(Authorization::parse(header).err(), Some(reason), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(header in "\\PC*") {
            let _ = Authorization::parse(&header);
        }
    }
}
