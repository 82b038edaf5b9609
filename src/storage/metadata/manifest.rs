//! Manifests of repositories, and what they refer to.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Change;
use crate::domain::{Digest, MediaType, Precondition, RepositoryName, Tag};
use crate::storage::StorageError;

/// A manifest as it is served: the exact bytes and type that were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The digest of `content`.
    pub digest: Digest,
    /// What it is served as.
    pub media_type: MediaType,
    /// The bytes.
    pub content: Bytes,
    /// The repository's generation at the moment of reading ([`crate::storage::coordination::Versions::generation`]).
    pub generation: i64,
}

/// A manifest to be stored, with all that the database must know of it.
#[derive(Clone, Debug)]
pub struct NewManifest {
    /// The digest of `content`.
    pub digest: Digest,
    /// What it is served as.
    pub media_type: MediaType,
    /// The bytes.
    pub content: Bytes,
    /// What lists of referrers call it.
    pub artifact_type: Option<String>,
    /// Its annotations as a JSON object; `None` where it has none.
    pub annotations: Option<String>,
    /// The manifest that it refers to; need not exist.
    pub subject: Option<Digest>,
    /// Blobs that must be linked to the repository.
    pub blobs: Vec<Digest>,
    /// Children of an index that must exist in the repository, as manifest or as linked blob.
    pub children: Vec<Digest>,
    /// Whether children may be absent. Those that come later are the index's children from then on.
    pub may_be_sparse: bool,
    /// Tags to create, or to move here.
    pub tags: Vec<Tag>,
    /// What must hold of the first tag.
    pub precondition: Precondition,
}

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Stored, or already there; the tags point to it.
    Stored,
    /// Nothing was stored: these blobs or children are not in the repository.
    Missing(Vec<Digest>),
    /// Nothing was stored: the precondition does not hold.
    PreconditionFailed,
}

/// One entry of a list of referrers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerRecord {
    /// The referring manifest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
    /// What it is.
    pub artifact_type: Option<String>,
    /// Its annotations as a JSON object.
    pub annotations: Option<String>,
}

impl ReferrerRecord {
    /// What an entry takes in a list besides its annotations and its type, about.
    pub const OVERHEAD: u64 = 512;
}

/// How much of a list is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// At most so many entries.
    pub entries: u32,
    /// At most so many bytes, but always one entry.
    pub bytes: u64,
}

impl PageLimit {
    /// How many of the entries with these sizes fit.
    pub fn fitting(self, sizes: impl Iterator<Item = u64>) -> usize {
        let mut bytes = 0_u64;
        let fits = |size: &u64| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(*size).max(1);
            first || bytes <= self.bytes
        };
        sizes.take(self.entries as usize).take_while(fits).count()
    }
}

/// One page of referrers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerList {
    /// The entries, ordered by digest text.
    pub entries: Vec<ReferrerRecord>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

/// Manifests by repository.
#[async_trait]
pub trait Manifests {
    /// The manifest with this digest in this repository.
    async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StorageError>;

    /// The manifest that the tag points to.
    async fn manifest_by_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<StoredManifest>, StorageError>;

    /// Checks the references and the precondition, stores the manifest and moves the tags, all or nothing; creates the
    /// repository where it is the first thing in it. Leases the blobs that it refers to for at least `lease` from now. A manifest in the
    /// trash is there again. What the tags pointed to becomes history; [`StorageError::Held`] where one is held that points elsewhere.
    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        manifest: NewManifest,
        lease: Duration,
        change: &Change,
    ) -> Result<PutOutcome, StorageError>;

    /// Deletes a manifest and every tag that points to it, into the trash where `change` keeps it. `false` where it did not exist;
    /// [`StorageError::Held`] where a hold is on it, or on an index that lists it.
    async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        change: &Change,
    ) -> Result<bool, StorageError>;

    /// Up to `limit` manifests whose subject is `subject`, ordered by digest text, from the first after `after`; only those of
    /// `artifact_type` (compared without case) where one is given. Empty where the repository does not exist.
    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: PageLimit,
    ) -> Result<ReferrerList, StorageError>;

    /// Those of `candidates` that are manifests of the repository with this subject, in one look.
    async fn among_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        candidates: &[Digest],
    ) -> Result<Vec<Digest>, StorageError>;
}
