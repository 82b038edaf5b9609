//! Quotas: how many bytes the repositories of a pattern may hold together. A content counts once within a quota, for as long as a live
//! manifest of any of them is it or refers to it, so no two quotas need to agree, and repositories that share layers pay for them once.
//!
//! What a manifest adds is charged in the transaction that stores it, which fails where the quota has no room; what a manifest leaves is
//! given back in the transaction that removes it. A quota on repositories that exist already is counted in steps
//! ([`Quotas::count_quotas`]) while pushes continue: each repository is charged for its writes from the moment that it is counted.

use async_trait::async_trait;

use crate::domain::{Glob, RepositoryName};
use crate::storage::StorageError;

/// A quota and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRecord {
    /// The repositories that it is for.
    pub on: Glob,
    /// How many bytes they may hold.
    pub limit: u64,
    /// How many they hold, of what is counted yet.
    pub used: u64,
    /// How far it is.
    pub state: QuotaState,
    /// By how many bytes the count before was wrong, where it was counted again.
    pub drift: Option<i64>,
    /// When it was set, in seconds.
    pub created_at: i64,
    /// When all that it covers had been counted.
    pub counted_at: Option<i64>,
}

/// How far a quota is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaState {
    /// Everything that it covers is counted.
    Counted,
    /// Some repositories are not counted yet.
    Counting,
    /// It is in force and counted a second time, to see whether the count is right.
    Recounting,
}

/// What a step of counting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedStep {
    /// The repositories that the quota is for.
    pub on: Glob,
    /// Up to which repository it is counted; `None` where all are.
    pub walked_to: Option<RepositoryName>,
}

/// Quotas by pattern.
#[async_trait]
pub trait Quotas {
    /// Every quota, in the order of their patterns; none that is removed.
    async fn quotas(&self) -> Result<Vec<QuotaRecord>, StorageError>;

    /// Sets the quota of a pattern. Repositories that exist are to be counted afterwards ([`Quotas::count_quotas`]); a quota of the same
    /// pattern only gets another limit.
    async fn set_quota(&self, on: &Glob, limit: u64) -> Result<(), StorageError>;

    /// Removes the quota of a pattern. `false` if there is none.
    async fn remove_quota(&self, on: &Glob) -> Result<bool, StorageError>;

    /// Begins to count a quota a second time, next to the first count, which stays in force until then. `false` if there is none that is
    /// counted.
    async fn recount_quota(&self, on: &Glob) -> Result<bool, StorageError>;

    /// Does the next step of what is to be counted, or forgotten, of any quota: a thousand manifests at most. `None` where nothing is.
    async fn count_quotas(&self) -> Result<Option<CountedStep>, StorageError>;
}
