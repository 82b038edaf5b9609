//! The key that seals private token keys, so that a stolen database signs nothing.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::AuthError;

/// What sealed data begins with: the version of this format.
const FORMAT: u8 = 1;

/// A key of 32 random bytes. The caller keeps it in a file outside the database that only the service's own user can read.
/// `Debug` does not show it, and dropping it wipes it.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; Self::LENGTH]>);

impl SealKey {
    /// The length of the key, in bytes.
    pub const LENGTH: usize = 32;

    /// Takes over the key.
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Makes a new key.
    pub fn generate() -> Self {
        Self::new(rand::random())
    }

    /// The key itself, for writing it to its file.
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// AES-256-GCM with a random nonce; `name` is authenticated, so sealed keys cannot be exchanged for one another.
    pub(super) fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, AuthError> {
        let mut body = secret.to_vec();
        let nonce = self
            .cipher()?
            .seal_in_place_append_tag(Aad::from(context(name)), &mut body)
            .map_err(|_| AuthError::Cryptography("sealing a token key"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] sealed under the same name.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        let damaged = || AuthError::Sealed { kid: name.to_owned() };
        let [FORMAT, rest @ ..] = sealed else { return Err(damaged()) };
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut secret = Zeroizing::new(body.to_vec());
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(context(name)), &mut secret);
        let length = opened.map_err(|_| damaged())?.len();
        secret.truncate(length);
        Ok(secret)
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, AuthError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.expose())
            .map_err(|_| AuthError::Cryptography("preparing the seal key"))
    }
}

fn context(name: &str) -> String {
    format!("portcullis token key {name}")
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_name_open_and_every_bit_counts() {
        let (key, other) = (SealKey::generate(), SealKey::generate());
        let sealed = key.seal("kid", b"secret").expect("sealed");
        assert_ne!(sealed, key.seal("kid", b"secret").expect("sealed"), "nonces differ");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(key.open("kid", &sealed).expect("opened").as_slice(), b"secret");
        assert!(other.open("kid", &sealed).is_err() && key.open("kid2", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(key.open("kid", &sealed[..length]).is_err(), "{length}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open("kid", &flipped).is_err(), "{bit}");
        }
        assert_eq!(format!("{key:?}"), "SealKey(redacted)");
    }
}
