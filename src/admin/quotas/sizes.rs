//! How much repositories hold.

use crate::domain::RepositoryName;
use crate::storage::metadata::{ContentSizes, RepositorySize};

/// What manifests and the blobs that they refer to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// How many tags there are.
    pub(crate) tags: u64,
    /// How many manifests there are.
    pub(crate) manifests: u64,
    /// The bytes of every image by itself, as if none shared anything.
    pub(crate) logical: u64,
    /// The bytes of all contents, each once.
    pub(crate) unique: u64,
    /// The bytes of those blobs that no other repository has.
    pub(crate) own: u64,
}

impl From<ContentSizes> for Sizes {
    fn from(ContentSizes { tags, manifests, logical, unique, own }: ContentSizes) -> Self {
        Self { tags, manifests, logical, unique, own }
    }
}

/// A repository and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SizedRepository {
    /// Its name.
    pub(crate) name: RepositoryName,
    /// What is in it.
    pub(crate) sizes: Sizes,
}

impl From<RepositorySize> for SizedRepository {
    fn from(RepositorySize { name, sizes }: RepositorySize) -> Self {
        Self { name, sizes: sizes.into() }
    }
}
