//! Retention: its rules, a repository as they see it, and the removal of what they do not keep.

use async_trait::async_trait;

use super::Change;
use crate::domain::retention::{RepositoryGraph, RetentionRule};
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;

/// A rule, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRecord {
    /// The rule.
    pub rule: RetentionRule,
    /// When it was made.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
}

/// A repository at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGraph {
    /// Its generation at that moment.
    pub generation: i64,
    /// What is in it.
    pub graph: RepositoryGraph,
    /// The number of each manifest of the graph, for [`Retention::bytes_freed`].
    pub manifest_ids: Vec<i64>,
}

/// What is to be removed from a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// Tags.
    pub tags: Vec<Tag>,
    /// Manifests without a tag, index or subject.
    pub manifests: Vec<Digest>,
}

/// How a run of all rules ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRun {
    /// When.
    pub ran_at: i64,
    /// Who ran it.
    pub ran_by: String,
    /// How many tags and untagged manifests the rules decided about.
    pub examined: u64,
    /// How many of them were removed.
    pub removed: u64,
    /// How many would be removed as soon as someone confirms that; 0 where nothing waits.
    pub waiting: u64,
}

/// Rules by number, and what they are applied to.
#[async_trait]
pub trait Retention {
    /// Adds a rule, whose number is drawn here and returned.
    async fn add_retention_rule(&self, rule: RetentionRule, by: &str) -> Result<i64, StorageError>;

    /// All rules, by number.
    async fn retention_rules(&self) -> Result<Vec<RetentionRecord>, StorageError>;

    /// Removes a rule. `false` if it did not exist.
    async fn remove_retention_rule(&self, id: i64) -> Result<bool, StorageError>;

    /// Notes that rules have had their first run.
    async fn rules_rehearsed(&self, ids: &[i64]) -> Result<(), StorageError>;

    /// All of a repository, in one snapshot; `None` where it does not exist.
    async fn repository_graph(&self, repository: &RepositoryName) -> Result<Option<StoredGraph>, StorageError>;

    /// Removes tags and manifests as a client's DELETE does. `false`, and nothing is removed, if the repository has another generation than
    /// this one: what was decided about it may not be right any more. Otherwise the repository has the next generation.
    async fn retire(
        &self,
        repository: &RepositoryName,
        generation: i64,
        retired: Retired,
        change: &Change,
    ) -> Result<bool, StorageError>;

    /// How many bytes of blobs no manifest but these refers to.
    async fn bytes_freed(&self, manifest_ids: &[i64]) -> Result<u64, StorageError>;

    /// Notes how a run ended.
    async fn save_retention_run(&self, run: RetentionRun) -> Result<(), StorageError>;

    /// How the last run ended.
    async fn last_retention_run(&self) -> Result<Option<RetentionRun>, StorageError>;
}
