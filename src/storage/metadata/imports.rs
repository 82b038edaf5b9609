//! What is imported from another registry: many blobs at once, and the dates that its manifests and tags had there.

use std::time::Duration;

use async_trait::async_trait;

use super::BlobRecord;
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// A content that is to be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedBlob {
    /// What it is.
    pub blob: BlobRecord,
    /// Whether that was read from its row: nothing is entered where that has been collected meanwhile.
    pub is_known: bool,
}

/// When what was put was put elsewhere before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlierDates {
    /// Manifests, and when they were pushed.
    pub manifests: Vec<(Digest, i64)>,
    /// Tags, what they point to, and since when.
    pub tags: Vec<(Tag, Digest, i64)>,
}

/// Imports.
#[async_trait]
pub trait Imports {
    /// Does what [`super::RepositoryBlobs::link_blob`] does, for many contents in one transaction. Returns those of the given keys that do not
    /// count, because the blob was known under another one already: their contents are the caller's to remove.
    async fn import_blobs(
        &self,
        repository: &RepositoryName,
        blobs: Vec<ImportedBlob>,
        lease: Duration,
    ) -> Result<Vec<BlobKey>, StorageError>;

    /// Gives manifests, tags and their repository the dates that they had before, where these are earlier than the ones that they have. A tag
    /// that points elsewhere by now keeps its date.
    async fn backdate(&self, repository: &RepositoryName, dates: EarlierDates) -> Result<(), StorageError>;

    /// Lets the keys of blobs that begin with `from`, two letters, begin with `to`; returns how many. Contents are not touched.
    async fn rename_keys(&self, from: &str, to: &str) -> Result<u64, StorageError>;
}
