//! HTTPS towards others: what a client of ours trusts.

pub mod danger;
pub(crate) mod pinned;

pub use pinned::pinned_client;
