//! Manifests of repositories, and what they refer to.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{Digest, MediaType, RepositoryName, Tag};
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
    /// Tags to create, or to move here.
    pub tags: Vec<Tag>,
    /// What must hold of the first tag.
    pub precondition: Precondition,
}

/// A condition on a tag, checked in the transaction that moves it (RFC 9110, section 13.1: If-Match, If-None-Match).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// None.
    #[default]
    Always,
    /// The tag points to one of these manifests now.
    PointsToAny(Vec<Digest>),
    /// The tag exists, whatever it points to.
    Exists,
    /// The tag does not exist yet.
    Absent,
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
    /// repository where it is the first thing in it. Renews the leases of the blobs it refers to.
    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        manifest: NewManifest,
    ) -> Result<PutOutcome, StorageError>;

    /// Deletes a manifest and every tag that points to it. `false` where it did not exist.
    async fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, StorageError>;

    /// Up to `limit` manifests whose subject is `subject`, ordered by digest text, from the first after `after`; only those of
    /// `artifact_type` where one is given. Empty where the repository does not exist.
    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: u32,
    ) -> Result<Vec<ReferrerRecord>, StorageError>;
}
