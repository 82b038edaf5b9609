//! A quota without room for what was to be stored.

use std::fmt;

use super::{Amount, Glob};

/// What a client or an operator is told who may store no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverQuota {
    /// The repositories that the quota is for.
    pub on: Glob,
    /// How many bytes they may hold.
    pub limit: u64,
    /// How many they hold.
    pub used: u64,
    /// How many more were asked for.
    pub needed: u64,
}

impl fmt::Display for OverQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, limit, used, needed } = self;
        write!(
            f,
            "the quota of '{on}' is full: {} of {} are used, and this needs {} more. Delete images by digest, or whole repositories, that \
             are not needed; or ask an administrator to raise it (portcullis quota set --on '{on}' SIZE)",
            Amount(*used),
            Amount(*limit),
            Amount(*needed)
        )
    }
}
