//! The keys that sign tokens, when they are replaced, and the data key that they are encrypted with.

pub(super) mod key_ring;
pub(super) mod rotation;
mod seal;
pub(super) mod token_key;

pub use seal::SealKey;
