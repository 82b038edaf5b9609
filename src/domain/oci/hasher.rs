//! A running hash whose state can be stored, so that an upload resumes after a restart without reading what came before.

use std::fmt;

use sha2::digest::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Sha256, Sha512};

use crate::domain::{Algorithm, Digest};

/// A hash under way.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// A stored hash state that does not belong to the named algorithm, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored hash state of an upload is damaged")]
pub struct DamagedState;

impl Hasher {
    /// A hash of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// The digest of `bytes`, at once.
    pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hash function.
    pub const fn algorithm(&self) -> Algorithm {
        match &self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finalize()),
            State::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        }
    }

    /// The state, to be stored; [`Hasher::restore`] continues from it, on any node.
    pub fn save(&self) -> Vec<u8> {
        match &self.0 {
            State::Sha256(hash) => hash.serialize().to_vec(),
            State::Sha512(hash) => hash.serialize().to_vec(),
        }
    }

    /// The hash that [`Hasher::save`] stored.
    pub fn restore(algorithm: Algorithm, state: &[u8]) -> Result<Self, DamagedState> {
        Ok(Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(deserialize(state)?),
            Algorithm::Sha512 => State::Sha512(deserialize(state)?),
        }))
    }
}

fn deserialize<H: SerializableState>(state: &[u8]) -> Result<H, DamagedState> {
    let state: &SerializedState<H> = state.try_into().map_err(|_| DamagedState)?;
    H::deserialize(state).map_err(|_| DamagedState)
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.algorithm()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_continues_after_being_stored() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for cut in [0, 1, 63, 64, 65, 127, 128, 200] {
                let bytes: Vec<u8> = (0..=255).collect();
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&bytes[..cut]);
                let mut hasher = Hasher::restore(algorithm, &hasher.save()).expect("just saved");
                hasher.update(&bytes[cut..]);
                assert_eq!(hasher.finish(), Hasher::digest(algorithm, &bytes), "{algorithm} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        assert_eq!(Hasher::restore(Algorithm::Sha256, b"short").map(|_| ()), Err(DamagedState));
        let other = Hasher::new(Algorithm::Sha512).save();
        assert!(Hasher::restore(Algorithm::Sha256, &other).is_err());
    }
}
