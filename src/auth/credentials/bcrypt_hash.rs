//! Passwords that another registry has hashed with bcrypt, as files of htpasswd have them: good for one login, which replaces them by our own.

use bcrypt::HashParts;

use super::password::UnusableHash;
use crate::auth::Secret;

/// The most that such a hash may cost, as a power of two: about a second. More would hold a core for every guess.
const MAX_COST: u32 = 14;

/// A hash by bcrypt, checked. Shows itself to the database alone.
#[derive(Clone)]
pub(crate) struct BcryptHash(String);

/// Why a text is not such a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidBcryptHash {
    /// Another algorithm, or damaged.
    #[error("its password is not hashed with bcrypt: set a new one (portcullis user add)")]
    OtherKind,
    /// Of a bcrypt that was broken.
    #[error("its password is hashed with a bcrypt that was broken ($2x$): set a new one (portcullis user add)")]
    Broken,
    /// Each login would take too long.
    #[error("its password is hashed with cost {0}, and {MAX_COST} is the most: set a new one (portcullis user add)")]
    TooExpensive(u32),
}

impl BcryptHash {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidBcryptHash> {
        let parts: HashParts = text.parse().map_err(|_| InvalidBcryptHash::OtherKind)?;
        match parts.get_cost() {
            _ if text.starts_with("$2x$") => Err(InvalidBcryptHash::Broken),
            cost if cost > MAX_COST => Err(InvalidBcryptHash::TooExpensive(cost)),
            0..4 => Err(InvalidBcryptHash::OtherKind),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The text, for the database.
    pub(crate) fn into_stored(self) -> String {
        self.0
    }
}

/// Whether a stored hash is one by bcrypt.
pub(super) fn is_bcrypt(stored: &str) -> bool {
    stored.starts_with("$2")
}

/// Whether it is the password that was hashed. bcrypt looks at its first 72 bytes.
pub(super) fn is_password_of(password: &Secret, stored: &str) -> Result<bool, UnusableHash> {
    let BcryptHash(hash) = BcryptHash::parse(stored).map_err(|_| UnusableHash)?;
    bcrypt::verify(password.expose(), &hash).map_err(|_| UnusableHash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `htpasswd -B` made it, of "hunter2".
    const OF_HTPASSWD: &str = "$2y$05$HnqIX9.sLbx4t/gXl3PbiebyrhvoPXSFPnsF5ANgVk8LVje39zdga";

    fn secret(text: &str) -> Secret {
        Secret::new(text).expect("short")
    }

    #[test]
    fn what_htpasswd_makes_is_verified() {
        for prefix in ["$2y$", "$2a$", "$2b$"] {
            let stored = OF_HTPASSWD.replace("$2y$", prefix);
            assert_eq!(is_password_of(&secret("hunter2"), &stored), Ok(true), "{prefix}");
            assert_eq!(is_password_of(&secret("hunter3"), &stored), Ok(false), "{prefix}");
        }
    }

    #[test]
    fn other_kinds_and_expensive_ones_are_refused() {
        let parse = |text: &str| BcryptHash::parse(text).map(BcryptHash::into_stored);
        for text in ["", "hunter2", "$apr1$x$y", "{SHA}x", "$2y$05$short", &OF_HTPASSWD[..59]] {
            assert_eq!(parse(text), Err(InvalidBcryptHash::OtherKind), "{text}");
        }
        assert_eq!(parse(&OF_HTPASSWD.replace("$2y$", "$2x$")), Err(InvalidBcryptHash::Broken));
        assert_eq!(parse(&OF_HTPASSWD.replace("$05$", "$15$")), Err(InvalidBcryptHash::TooExpensive(15)));
        assert!(parse(&OF_HTPASSWD.replace("$05$", "$14$")).is_ok());
    }
}
