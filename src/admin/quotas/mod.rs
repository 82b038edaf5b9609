//! Quotas, and what repositories hold.

mod count;
mod list;
mod remove;
mod set;
mod sizes;
mod usage;

pub(crate) use sizes::{SizedRepository, Sizes};
pub(crate) use usage::NamespaceUsage;

use crate::domain::Glob;
use crate::storage::metadata::{QuotaRecord, QuotaState};

/// A quota and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// The repositories that it is for.
    pub(crate) on: Glob,
    /// How many bytes they may hold.
    pub(crate) limit: u64,
    /// How many they hold, of what is counted yet.
    pub(crate) used: u64,
    /// How far it is.
    pub(crate) progress: QuotaProgress,
    /// By how many bytes the count before was wrong, if it was counted again.
    pub(crate) drift: Option<i64>,
    /// When it was set, in seconds since the Unix epoch.
    pub(crate) created_at: i64,
    /// When all that it covers had been counted.
    pub(crate) counted_at: Option<i64>,
}

/// How far a quota is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuotaProgress {
    /// Everything that it covers is counted.
    Counted,
    /// Some repositories are not counted yet.
    Counting,
    /// It is being counted again.
    Recounting,
}

impl From<QuotaRecord> for Quota {
    fn from(record: QuotaRecord) -> Self {
        let QuotaRecord { on, limit, used, state, drift, created_at, counted_at } = record;
        let progress = match state {
            QuotaState::Counted => QuotaProgress::Counted,
            QuotaState::Counting => QuotaProgress::Counting,
            QuotaState::Recounting => QuotaProgress::Recounting,
        };
        Self { on, limit, used, progress, drift, created_at, counted_at }
    }
}
