//! Where blob contents are stored. A content is received into a staging area of its upload session, hashed while it is written, and
//! published under a key when its digest is known to be right.

pub mod disk;
mod originals;
pub mod s3;
mod store_content;

pub use self::originals::{Adoption, Original};
pub(crate) use self::originals::{OriginalFile, Originals};
pub(crate) use self::store_content::store_content;

use std::net::IpAddr;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::Uri;
use uuid::Uuid;

use super::StorageError;
use crate::domain::{Algorithm, Digest, Hasher, UploadId};

/// Bytes on their way in (from a client) or out (to one). An error from a client's body ends the stream.
/// An empty chunk from a client says that no more comes for a while.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StorageError>> + Send>>;

/// Where a published blob is stored, in words of the backend; kept in the database next to the digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey(pub String);

/// What a backend must remember of a session between requests, in its own words: kept in the database, and not looked into there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingState(pub Vec<u8>);

/// Where the content of an upload session is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingArea {
    /// Whose content it is.
    pub upload: UploadId,
    /// What the backend needs to find it again; `None` where the session's name is enough, or nothing was received.
    pub backend: Option<StagingState>,
}

impl StagingArea {
    /// Nothing received yet.
    pub fn empty(upload: UploadId) -> Self {
        Self { upload, backend: None }
    }
}

/// An upload session's content so far: its length and the hash of it. All of it is stored in the database between requests.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Where it is.
    pub area: StagingArea,
    /// Its length in bytes.
    pub length: u64,
    /// The hash of these bytes.
    pub hasher: Hasher,
}

impl Staged {
    /// Nothing received yet.
    pub fn empty(upload: UploadId, algorithm: Algorithm) -> Self {
        Self { area: StagingArea::empty(upload), length: 0, hasher: Hasher::new(algorithm) }
    }
}

/// A content to be served.
pub enum Content {
    /// Its bytes.
    Stream(ByteStream),
    /// An address that serves them for a while, to anyone who has it: the client is sent there.
    Redirect(Uri),
}

/// A published content, as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContent {
    /// Where it is.
    pub key: BlobKey,
    /// Its length in bytes.
    pub size: u64,
    /// When its bytes were last written, in seconds since the Unix epoch.
    pub modified_at: i64,
}

/// What an append left behind: the new state, and whether the body was complete.
#[derive(Debug)]
pub struct Appended {
    /// The content with all bytes that were received, written and hashed.
    pub staged: Staged,
    /// Why the body ended early, if it did; the bytes before that are part of `staged`.
    pub broken: Option<StorageError>,
}

/// A store of blob contents. Every method may be called from any task; contents of different sessions do not wait for each other.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Appends `body` to the session's content, writing and hashing it in one pass. Bytes beyond `staged.length` that an earlier,
    /// interrupted append left in the staging area are dropped first.
    ///
    /// With `durable`, the returned state survives power loss when this returns (for a state that is going to be stored
    /// in the database); without it, the content is whole, and the state is only good for [`BlobStore::rehash`], [`BlobStore::publish`],
    /// [`BlobStore::discard`] and [`BlobStore::release`]. If the body breaks, the state is one to continue from in either case.
    ///
    /// Of two states that come from the same one, one can be saved ([`crate::storage::metadata::Uploads::save_upload`]): a store that several
    /// processes share keeps the bytes of both apart until then, unless [`BlobStore::needs_lease`] says that it cannot. A disk belongs to
    /// one process, which lets one request write at a time.
    ///
    /// Errors: [`StorageError::Full`] before a byte is written below the free-space floor, or when the disk fills up.
    async fn append(&self, staged: Staged, body: ByteStream, durable: bool) -> Result<Appended, StorageError>;

    /// The digest of the session's content by another algorithm than the one it was hashed with (read back; rare).
    async fn rehash(&self, staged: &Staged, algorithm: Algorithm) -> Result<Digest, StorageError>;

    /// Makes the session's content durable under `digest`, which the caller has compared with the staged hash. The staging area
    /// is gone afterwards. Publishing what is already there is not an error: it may be repeated with the same state. Where keys are made of
    /// digests, an existing content stays (it is the same, unless its length differs or it is missing, in which case it is replaced).
    async fn publish(&self, staged: &Staged, digest: &Digest) -> Result<BlobKey, StorageError>;

    /// Drops what only `old` has and `kept` has not, of two states of one session: after `kept` was saved instead of `old`, and of
    /// a state that could not be saved. A disk has nothing of that kind.
    async fn release(&self, _old: &StagingArea, _kept: &StagingArea) -> Result<(), StorageError> {
        Ok(())
    }

    /// Whether several processes share this store, so that one may append to a session whose content another has begun.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether two appends to this state can spoil each other's bytes, so that one must wait for the other.
    fn needs_lease(&self, _area: &StagingArea) -> bool {
        false
    }

    /// Drops a session's content. Dropping what is not there is not an error.
    async fn discard(&self, area: &StagingArea) -> Result<(), StorageError>;

    /// Up to `limit` staging areas that were last written to before `before` (seconds since the Unix epoch), in the order of their
    /// sessions' names, from the first after `after`: what a crash left behind is among them, and what can be found of one session may come
    /// in several. For the background, not for requests.
    async fn staged_before(
        &self,
        before: i64,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<StagingArea>, StorageError>;

    /// The bytes of `range` (half-open, within the blob's length). The first chunk has been read when this returns, so that a
    /// missing or short content is an error here and not in the middle of a response: [`StorageError::Damaged`].
    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<ByteStream, StorageError>;

    /// The bytes of `range`, or the address of a server that hands them out to the client at the address `client`: of the object, so that
    /// the client repeats its own range there. As [`BlobStore::read`] in all else. Backends that can do no more than read need not write this.
    async fn locate(&self, key: &BlobKey, range: Range<u64>, _client: Option<IpAddr>) -> Result<Content, StorageError> {
        Ok(Content::Stream(self.read(key, range).await?))
    }

    /// The length in bytes of a published content; `None` where it is missing.
    async fn length(&self, key: &BlobKey) -> Result<Option<u64>, StorageError>;

    /// Why [`BlobStore::adopt`] cannot take over contents that are stored like this one; `None` where it can.
    async fn cannot_adopt(&self, original: &Original) -> Result<Option<String>, StorageError>;

    /// Takes over a content that another program has stored, without moving its bytes, after comparing them with `digest` and `size`:
    /// [`StorageError::Damaged`] where they are others. The original is not changed. Durable once [`BlobStore::settle`] was called.
    async fn adopt(&self, original: &Original, digest: &Digest, size: u64) -> Result<Adoption, StorageError>;

    /// How the keys of adopted contents begin that another registry has as well, so that [`BlobStore::remove`] leaves them, and how they begin
    /// once it has been given up. `None` where each store has names of its own for one content.
    fn adopted_keys(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Makes everything durable that was adopted.
    async fn settle(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Removes a published content. Removing what is not there is not an error.
    async fn remove(&self, key: &BlobKey) -> Result<(), StorageError>;

    /// The next published contents after `after`, in the order of keys: a page of the backend's own size; none at the end. For checks, not
    /// for requests.
    async fn contents(&self, after: Option<&BlobKey>) -> Result<Vec<StoredContent>, StorageError>;

    /// Moves a damaged content out of the way where the same key would be used for a good one, durably; returns where it is then. No one
    /// publishes it meanwhile. Stores whose keys are never used again leave it where it is.
    async fn quarantine(&self, _key: &BlobKey) -> Result<Option<String>, StorageError> {
        Ok(None)
    }

    /// Removes published contents for good: one answer each, in their order, and whether anything was there, as far as the backend says so.
    async fn remove_all(&self, keys: &[BlobKey]) -> Vec<Result<bool, StorageError>>;

    /// Leaves a mark in the store, durable when this returns, by which a node knows it again: `id` is a UUID.
    async fn mark(&self, id: Uuid) -> Result<(), StorageError>;

    /// Whether [`BlobStore::mark`] has left this mark here.
    async fn has_mark(&self, id: Uuid) -> Result<bool, StorageError>;

    /// The bond with a database: what [`BlobStore::bind`] has left here last.
    async fn bond(&self) -> Result<Option<Uuid>, StorageError>;

    /// Leaves a bond, durable when this returns, instead of the one before.
    async fn bind(&self, bond: Uuid) -> Result<(), StorageError>;

    /// Bytes free for blobs, where the backend knows a limit.
    async fn free_space(&self) -> Result<Option<u64>, StorageError>;
}
