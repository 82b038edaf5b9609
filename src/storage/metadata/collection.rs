//! Garbage collection: what may have become unreferenced is in a queue, which the writes fill that drop a reference. It is reviewed entry by
//! entry, each in a transaction that looks at the references again; nothing walks over what is stored.
//!
//! A manifest is kept by a tag, by an index that lists it, and by the subject that it refers to; a repository's link to a blob by a manifest
//! of that repository, or by the lease that a push, a mount and a HEAD leave; a blob by any link or manifest. A blob that nothing keeps is
//! marked first, and removed after a grace period unless a push or a mount has used it meanwhile. Its row goes before its content does: what a
//! crash leaves between the two is in the list of doomed contents, and never a row without a content.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// What an entry of the queue is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReviewKind {
    /// A manifest that may have lost its last tag, index or subject.
    Manifest,
    /// A repository's link to a blob that may not be needed any more.
    Link,
    /// A blob that may have lost its last link.
    Blob,
    /// A blob that is marked for removal.
    Removal,
}

impl ReviewKind {
    /// In the order of a cascade: what one leaves behind, the next one reviews.
    pub const ALL: [Self; 4] = [Self::Manifest, Self::Link, Self::Blob, Self::Removal];
}

/// An entry of the queue that this process may review until the claim ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// What it is about.
    pub kind: ReviewKind,
    /// The row of the repository; 0 for blobs.
    pub repository_id: i64,
    /// The digest of the manifest or blob.
    pub digest: Digest,
    /// When the reference was dropped, in seconds.
    pub since: i64,
    /// How often the entry was written: it ends only as it was claimed.
    pub changes: i64,
}

/// What a review came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reviewed {
    /// Something refers to it, or it is gone: the entry is removed.
    Kept,
    /// It is leased: the entry waits until then.
    Leased,
    /// It is deleted (a manifest, a link), marked (a blob), or its content is doomed (a removal).
    Collected,
}

/// A content whose row is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedContent {
    /// Where the content is.
    pub key: BlobKey,
    /// What it is the content of.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// How much waits, and what was done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionStatus {
    /// How many entries of each kind are in the queue, in the order of [`ReviewKind::ALL`].
    pub waiting: [u64; 4],
    /// Since when the oldest entry may be reviewed, in seconds; `None` where the queue is empty.
    pub oldest: Option<i64>,
    /// Contents whose rows are gone, and their bytes.
    pub doomed: (u64, u64),
    /// Manifests, links and blobs that were collected since the beginning.
    pub collected: [u64; 3],
    /// Bytes that the blob store has confirmed as removed since the beginning.
    pub freed_bytes: u64,
    /// When it last did, in seconds; 0 where it never did.
    pub freed_at: i64,
}

/// What a collection would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionForecast {
    /// Repositories that lose links to blobs.
    pub repositories: u64,
    /// Manifests.
    pub manifests: u64,
    /// Links of repositories to blobs.
    pub links: u64,
    /// Blobs that nothing needs then.
    pub blobs: u64,
    /// Their bytes, and those of contents whose rows are gone already.
    pub bytes: u64,
}

/// The queue of the collector.
#[async_trait]
pub trait Collection {
    /// Claims up to `limit` entries of a kind whose reference was dropped `delay` ago or earlier, the oldest first, for `claim`. No other
    /// process gets them before that time is over.
    async fn claim_reviews(
        &self,
        kind: ReviewKind,
        delay: Duration,
        claim: Duration,
        limit: u32,
    ) -> Result<Vec<Review>, StorageError>;

    /// Reviews a claimed entry: looks at all that may keep it, and collects it where nothing does.
    async fn review(&self, review: Review) -> Result<Reviewed, StorageError>;

    /// A client was told that a manifest is there, and may be about to push an index that lists it: if it waits for its review, that is not
    /// before `lease` is over. `false` where the repository does not have it.
    async fn postpone_review(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Duration,
    ) -> Result<bool, StorageError>;

    /// What reviews would collect now that leave manifests alone whose last reference was dropped less than `keep` ago. Changes nothing.
    async fn forecast_collection(&self, keep: Duration) -> Result<CollectionForecast, StorageError>;

    /// Claims up to `limit` contents to be removed, for `claim`.
    async fn claim_doomed(&self, claim: Duration, limit: u32) -> Result<Vec<DoomedContent>, StorageError>;

    /// Whether a blob has its content under this key again: then it must not be removed.
    async fn is_in_use(&self, content: &DoomedContent) -> Result<bool, StorageError>;

    /// Ends with these doomed contents: they were removed, which has `freed` so many bytes, or are in use again.
    async fn forget_doomed(&self, contents: &[DoomedContent], freed: u64) -> Result<(), StorageError>;

    /// What waits and what was done.
    async fn collection_status(&self) -> Result<CollectionStatus, StorageError>;
}
