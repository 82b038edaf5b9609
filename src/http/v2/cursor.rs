//! Where a list continues, sealed: a page may end at a name that its reader must not learn.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a sealed position begins with; no repository's name does.
const MARK: char = '~';
const CONTEXT: &str = "portcullis list position 1";
const KEY_LENGTH: usize = 32;

/// The key that positions are sealed with: this process's own, since a list is read in a moment. A reader who comes with one of another
/// process starts again.
pub(in crate::http) struct CursorKey([u8; KEY_LENGTH]);

/// A sealed position of another process, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct InvalidCursor;

impl CursorKey {
    pub(in crate::http) fn generate() -> Self {
        Self(rand::random())
    }

    /// The position as a parameter of a link; `None` where the cipher fails.
    pub(in crate::http) fn seal(&self, position: &str) -> Option<String> {
        let mut body = position.as_bytes().to_vec();
        let nonce = self.cipher()?.seal_in_place_append_tag(Aad::from(CONTEXT), &mut body).ok()?;
        let sealed = [nonce.as_ref().as_slice(), &body].concat();
        Some(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// The position that a client sent: sealed, or a name as it is.
    pub(in crate::http) fn open(&self, sent: &str) -> Result<String, InvalidCursor> {
        match sent.strip_prefix(MARK) {
            None => Ok(sent.to_owned()),
            Some(sealed) => self.opened(sealed).ok_or(InvalidCursor),
        }
    }

    fn opened(&self, sealed: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(CONTEXT), &mut body).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_position_is_read_by_its_maker_alone_and_tells_nothing() {
        let key = CursorKey::generate();
        let sealed = key.seal("secret/name").expect("sealed");
        assert!(sealed.starts_with('~') && !sealed.contains("secret"));
        assert_eq!(key.open(&sealed), Ok("secret/name".to_owned()));
        assert_eq!(key.open("plain/name"), Ok("plain/name".to_owned()));
        assert_eq!(CursorKey::generate().open(&sealed), Err(InvalidCursor));
        for nonsense in ["~", "~!", "~AAAA", &sealed[..sealed.len() - 2]] {
            assert_eq!(key.open(nonsense), Err(InvalidCursor), "{nonsense}");
        }
    }
}
