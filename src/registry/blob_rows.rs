//! Blobs in memory, behind the permit: that a repository has a blob, how long it is, where its content is, and of small ones, the content
//! itself. A row counts as long as its repository has the generation that it was read at ([`super::generations`]); that a repository has a
//! blob *not* is never remembered. A content counts for a moment: then it is read again, so that what is lost is noticed.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::TryStreamExt;
use moka::sync::Cache;

use super::{Content, Registry, RegistryError};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs;
use crate::storage::metadata::LinkedBlob;

/// The most memory that blobs may take, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What a row costs, about.
const OVERHEAD: u64 = 768;
/// Contents up to this many bytes are remembered: most configs are smaller. An answer of no more bytes costs about as much as its
/// connection, so those that wait to be read need not be counted.
const SMALL: u64 = 8 * 1024;
/// How long a content is served without a look at where it is stored.
const MOMENT: Duration = Duration::from_secs(2);

/// Blobs that were asked for recently.
pub(super) struct BlobRows(Cache<(RepositoryName, Digest), Arc<KnownBlob>>);

/// A blob of a repository.
pub(super) struct KnownBlob {
    pub(super) linked: LinkedBlob,
    content: ArcSwapOption<KnownContent>,
}

struct KnownContent {
    read: Instant,
    bytes: Bytes,
}

impl KnownBlob {
    fn is_small(&self) -> bool {
        self.linked.blob.size <= SMALL
    }

    /// What it may take in memory: counted from the start, because the content comes later.
    fn weight(&self) -> u32 {
        let content = if self.is_small() { self.linked.blob.size } else { 0 };
        u32::try_from(OVERHEAD + content).unwrap_or(u32::MAX)
    }
}

impl BlobRows {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(CAPACITY).weigher(|_, blob: &Arc<KnownBlob>| blob.weight()).build())
    }

    /// The row is read again by the next request: what it says may not be so any more.
    pub(super) fn forget(&self, repository: &RepositoryName, digest: &Digest) {
        self.0.invalidate(&(repository.clone(), digest.clone()));
    }
}

impl Registry {
    /// The blob's row, where the repository has it.
    pub(super) async fn known_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<KnownBlob>>, RegistryError> {
        let key = (repository.clone(), digest.clone());
        let moment = self.generations.moment(repository);
        if let Some(known) = self.rows.0.get(&key)
            && self.holds(repository, known.linked.generation, moment).await?
        {
            return Ok(Some(known));
        }
        let Some(linked) = self.metadata.blob(repository, digest).await? else { return Ok(None) };
        self.generations.saw(repository, moment, Some(linked.generation));
        let found = Arc::new(KnownBlob { linked, content: ArcSwapOption::empty() });
        self.rows.0.insert(key, Arc::clone(&found));
        Ok(Some(found))
    }

    /// Whether the blob's content is there, with its full length.
    pub(super) async fn has_content(&self, known: &KnownBlob) -> Result<bool, RegistryError> {
        let blob = &known.linked.blob;
        Ok(self.blobs.length(&blob.key).await? == Some(blob.size))
    }

    /// The bytes of the half-open `range`, or where the client at this address gets them.
    pub(super) async fn content(
        &self,
        known: &KnownBlob,
        range: Range<u64>,
        client: Option<IpAddr>,
    ) -> Result<Content, RegistryError> {
        let blob = &known.linked.blob;
        let (Ok(start), Ok(end), true) = (usize::try_from(range.start), usize::try_from(range.end), known.is_small())
        else {
            return Ok(self.blobs.locate(&blob.key, range, client).await?.into());
        };
        let now = self.clock.instant();
        if let Some(content) = &*known.content.load()
            && now.saturating_duration_since(content.read) < MOMENT
        {
            return Ok(Content::Whole(content.bytes.slice(start..end)));
        }
        let stream = match self.blobs.locate(&blob.key, 0..blob.size, client).await? {
            blobs::Content::Stream(stream) => stream,
            elsewhere @ blobs::Content::Redirect(_) => return Ok(elsewhere.into()),
        };
        let bytes = stream.try_fold(Vec::new(), async |mut bytes, chunk| {
            bytes.extend_from_slice(&chunk);
            Ok(bytes)
        });
        let bytes = bytes.await?;
        if bytes.len() as u64 != blob.size {
            let digest = &blob.digest;
            return Err(StorageError::Damaged(format!("of the blob {digest}, {} bytes are there", bytes.len())).into());
        }
        let bytes = Bytes::from(bytes);
        known.content.store(Some(Arc::new(KnownContent { read: now, bytes: bytes.clone() })));
        Ok(Content::Whole(bytes.slice(start..end)))
    }
}

#[cfg(test)]
#[path = "blob_rows_tests.rs"]
mod tests;
