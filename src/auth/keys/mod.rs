//! The keys that sign tokens, when they are replaced, and the data key that they are encrypted with.

mod data_key;
pub(super) mod key_ring;
pub(super) mod schedule;
pub(super) mod token_key;

pub use data_key::DataKey;
