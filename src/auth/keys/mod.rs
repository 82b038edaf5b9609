//! The keys that sign tokens. A `token_key` is one of them, the `key_ring` all that are in force: one signs, all verify. The `schedule` says
//! when one is made and removed. In the database they are encrypted with the `data_key`, which is kept in a file.

mod data_key;
mod key_ring;
mod passphrase;
mod schedule;
mod token_key;

pub use data_key::DataKey;
pub(super) use key_ring::KeyRing;
pub(crate) use passphrase::PassphraseSalt;
pub(super) use schedule::{KeySchedule, Step};
pub(super) use token_key::{ALGORITHM, TokenKey};

use super::AuthError;
use crate::storage::metadata::Metadata;

/// Refuses a data key with which the token keys of the database were not encrypted.
pub(crate) async fn require_data_key(store: &dyn Metadata, data_key: &DataKey) -> Result<(), AuthError> {
    store.token_keys().await?.iter().try_for_each(|record| TokenKey::open(record, data_key).map(drop))
}
