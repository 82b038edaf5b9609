//! Brute-force protection: how many passwords are verified, for whom, and who has to wait.

mod account_limit;
pub(super) mod address_limit;
mod familiar;
pub(super) mod ledger;
mod line;
pub(super) mod login;

pub use account_limit::{AccountLimit, Pause};
