//! Repositories: they come into being with their first blob or manifest.

use async_trait::async_trait;

use super::Change;
use crate::domain::{NameRange, RepositoryName};
use crate::storage::StorageError;

/// What `repo show` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositorySummary {
    /// Its name.
    pub name: RepositoryName,
    /// How many tags it has.
    pub tags: u64,
    /// How many manifests it has.
    pub manifests: u64,
    /// How many blobs are linked to it.
    pub blobs: u64,
    /// The sum of the linked blobs' lengths in bytes; blobs that repositories share count in each.
    pub bytes: u64,
    /// When it came into being.
    pub created_at: i64,
}

/// The list of repositories.
#[async_trait]
pub trait Repositories {
    /// Up to `limit` names in ASCII order, from the first one after `after` (which need not exist).
    async fn repositories(&self, after: Option<&str>, limit: u32) -> Result<Vec<RepositoryName>, StorageError>;

    /// The same of the names in `range`.
    async fn repositories_within(
        &self,
        range: &NameRange,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StorageError>;

    /// Whether the repository exists.
    async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, StorageError>;

    /// Counts of one repository; `None` where it does not exist.
    async fn repository_summary(&self, name: &RepositoryName) -> Result<Option<RepositorySummary>, StorageError>;

    /// Removes a repository with its tags, manifests, links and upload sessions; blob contents stay for other repositories and the
    /// collector. Into the trash where `change` keeps it, but for the sessions. `false` where it did not exist; [`StorageError::Held`] where
    /// anything in it is held.
    async fn remove_repository(&self, name: &RepositoryName, change: &Change) -> Result<bool, StorageError>;
}
