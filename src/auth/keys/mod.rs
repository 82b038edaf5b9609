//! The keys that sign tokens. A `token_key` is one of them, the `key_ring` all that are in force: one signs, all verify. The `schedule` says
//! when one is made and removed. In the database they are encrypted with the `data_key`, which is kept in a file.

mod data_key;
mod key_ring;
mod schedule;
mod token_key;

pub use data_key::DataKey;
pub(super) use key_ring::KeyRing;
pub(super) use schedule::{KeySchedule, Step};
pub(super) use token_key::{ALGORITHM, TokenKey};
