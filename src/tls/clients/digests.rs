//! What the operator's files have, in a form that several nodes can compare: the same whatever the order and the format.

use crate::domain::{Algorithm, Digest, Hasher};

/// Digests of all CAs, and of all revocation lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientDigests {
    pub(crate) authorities: Digest,
    /// `None` without any.
    pub(crate) lists: Option<Digest>,
}

/// The digest of these contents; `None` without any.
pub(super) fn digest_of<'c>(contents: impl Iterator<Item = &'c [u8]>) -> Option<Digest> {
    let mut digests: Vec<String> =
        contents.map(|content| Hasher::digest(Algorithm::Sha256, content).to_string()).collect();
    digests.sort();
    (!digests.is_empty()).then(|| Hasher::digest(Algorithm::Sha256, digests.join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_count_and_the_contents_do() {
        let digest = |contents: &[&[u8]]| digest_of(contents.iter().copied());
        assert_eq!(digest(&[b"one", b"two"]), digest(&[b"two", b"one"]));
        assert_ne!(digest(&[b"one"]), digest(&[b"one", b"two"]));
        assert_eq!(digest(&[]), None);
    }
}
