//! How much repositories hold: added up for those that are asked for, so that the answer costs what it is about.

use async_trait::async_trait;

use crate::domain::{NameRange, RepositoryName};
use crate::storage::StorageError;

/// What manifests and the blobs that they refer to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentSizes {
    /// How many tags there are.
    pub tags: u64,
    /// How many manifests there are.
    pub manifests: u64,
    /// The bytes of all manifests, each with all that it refers to, as if none shared anything.
    pub logical: u64,
    /// The bytes of all of these contents, each once.
    pub unique: u64,
    /// The bytes of those blobs that no other repository has.
    pub own: u64,
}

/// The same of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositorySize {
    /// Its name.
    pub name: RepositoryName,
    /// What is in it.
    pub sizes: ContentSizes,
}

/// Sizes of what is stored.
#[async_trait]
pub trait Sizes {
    /// The sizes of each of these repositories, in the order of their names; nothing of those that do not exist.
    async fn repository_sizes(&self, names: &[RepositoryName]) -> Result<Vec<RepositorySize>, StorageError>;

    /// The sizes of these repositories together; what is their own is what no repository outside of `range` has.
    async fn sizes_together(&self, names: &[RepositoryName], range: &NameRange) -> Result<ContentSizes, StorageError>;
}
