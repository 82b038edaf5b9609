//! Passwords in memory: never printed, wiped when dropped, limited in size.

use rand::seq::IndexedRandom;
use secrecy::{ExposeSecret, SecretString};

/// The longest password, in bytes.
pub(crate) const MAX_PASSWORD_LENGTH: usize = 1024;

/// What one-time passwords are made of: no `0`/`o`, no `1`/`i`/`l`.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Six groups of four of 31 letters are 118 bits.
const GROUPS: usize = 6;
const GROUP_LENGTH: usize = 4;

/// A password as typed. `Debug` does not show it, and dropping it wipes it.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

/// A password longer than [`MAX_PASSWORD_LENGTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has at most {MAX_PASSWORD_LENGTH} bytes")]
pub struct PasswordTooLong;

impl Secret {
    /// Takes over a password.
    pub fn new(text: impl Into<String>) -> Result<Self, PasswordTooLong> {
        let secret = SecretString::from(text.into());
        if secret.expose_secret().len() > MAX_PASSWORD_LENGTH { Err(PasswordTooLong) } else { Ok(Self(secret)) }
    }

    /// A random password to be shown once: groups of letters and digits that are not mistaken for one another.
    pub fn generate() -> Self {
        let mut random = rand::rng();
        let mut text = String::with_capacity(GROUPS * (GROUP_LENGTH + 1));
        for position in 0..GROUPS * GROUP_LENGTH {
            if position > 0 && position % GROUP_LENGTH == 0 {
                text.push('-');
            }
            text.extend(ALPHABET.choose(&mut random).map(|&letter| char::from(letter)));
        }
        Self(SecretString::from(text))
    }

    /// The password itself; for hashing it, and for showing it once to its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("hunter2").expect("short");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(Secret::new("x".repeat(1024)).is_ok());
        assert_eq!(Secret::new("x".repeat(1025)).err(), Some(PasswordTooLong));
    }

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let (one, other) = (Secret::generate(), Secret::generate());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 29);
        assert!(one.expose().split('-').all(|group| group.len() == 4));
        assert!(one.expose().bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)));
    }
}
