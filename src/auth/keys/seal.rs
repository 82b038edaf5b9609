//! The key that seals private keys (of tokens, of accounts with an ACME server), so that a stolen database signs nothing.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::auth::AuthError;

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
    pub(in crate::auth) fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, AuthError> {
        self.seal_in(&context(name), secret)
    }

    /// Seals an account with the ACME server of `directory`. The directory is authenticated as well.
    pub fn seal_account(&self, directory: &str, account: &[u8]) -> Result<Vec<u8>, AuthError> {
        self.seal_in(&account_context(directory), account)
    }

    /// Opens what [`Self::seal_account`] sealed for the same directory.
    pub fn open_account(&self, directory: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        let damaged = || AuthError::SealedAccount { directory: directory.to_owned() };
        self.open_in(&account_context(directory), sealed)?.ok_or_else(damaged)
    }

    /// A key for hashing what is typed as a name at logins: people type passwords there, and the database must not tell them.
    pub(in crate::auth) fn login_names(&self) -> hmac::Key {
        let seal = hmac::Key::new(hmac::HMAC_SHA256, self.expose());
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&seal, b"portcullis login names").as_ref())
    }

    fn seal_in(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, AuthError> {
        let mut body = secret.to_vec();
        let nonce = self
            .cipher()?
            .seal_in_place_append_tag(Aad::from(context), &mut body)
            .map_err(|_| AuthError::Cryptography("sealing a key"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] sealed under the same name.
    pub(in crate::auth) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        self.open_in(&context(name), sealed)?.ok_or_else(|| AuthError::Sealed { kid: name.to_owned() })
    }

    /// `None` where it was sealed otherwise, or damaged.
    fn open_in(&self, context: &str, sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, AuthError> {
        let [FORMAT, rest @ ..] = sealed else { return Ok(None) };
        let Some((nonce, body)) = rest.split_at_checked(NONCE_LEN) else { return Ok(None) };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return Ok(None) };
        let mut secret = Zeroizing::new(body.to_vec());
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(context), &mut secret);
        let Ok(length) = opened.map(|opened| opened.len()) else { return Ok(None) };
        secret.truncate(length);
        Ok(Some(secret))
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, AuthError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.expose())
            .map_err(|_| AuthError::Cryptography("preparing the seal key"))
    }
}

fn context(name: &str) -> String {
    format!("portcullis token key {name}")
}

fn account_context(directory: &str) -> String {
    format!("portcullis acme account {directory}")
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

    #[test]
    fn accounts_and_token_keys_do_not_open_for_one_another() {
        let key = SealKey::generate();
        let sealed = key.seal_account("https://ca.test/dir", b"account").expect("sealed");
        assert_eq!(key.open_account("https://ca.test/dir", &sealed).expect("opened").as_slice(), b"account");
        assert!(key.open_account("https://other.test/dir", &sealed).is_err());
        assert!(key.open("https://ca.test/dir", &sealed).is_err());
        let token_key = key.seal("kid", b"secret").expect("sealed");
        assert!(key.open_account("kid", &token_key).is_err());
    }
}
