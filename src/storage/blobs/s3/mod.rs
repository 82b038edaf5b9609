//! The blob store in a bucket of an object store (S3): what several nodes share.
//!
//! Under the prefix, `u/<session>-<random>` is a content, and `t/<session>-<random>` the end of one that is still being received and does
//! not fill a part yet; `instance/<id>` is a mark of the registry that it belongs to, and `instance/bond` the bond with its
//! database. But for that one, a name is never used twice, so nothing is ever
//! overwritten, renamed or copied, and no object store needs to know conditional requests. What has been received of a session is described by its state in the database alone ([`area`]), so that any node
//! can continue it. No request lists the bucket.
//!
//! ```text
//! append:  body -> blocks -> hash
//!                         -> parts of equal size -> multipart upload, a few at a time
//!                         -> the rest: a tail, or in the database if it is small
//! publish: the last part, complete, compare the size; or the only tail as it is; or one PUT
//! ```

mod abandoned;
mod adopt;
mod append;
mod archive;
mod area;
mod block;
mod breaker;
mod bucket;
mod connect;
mod connector;
mod contents;
mod discard;
mod error;
mod gather;
mod multiparts;
mod options;
mod originals;
mod parts;
mod probe;
mod publish;
mod read;
mod redirect;
mod removal;
mod trial;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use self::adopt::Home;
use self::area::{Area, area_of};
use self::bucket::Bucket;
use self::parts::PartMemory;
use self::redirect::Redirects;
use super::{
    Adoption, Appended, BlobKey, BlobStore, ByteStream, Content, Original, Staged, StagingArea, StoredContent,
};
use crate::domain::{Algorithm, Clock, Digest, UploadId};
use crate::storage::StorageError;

pub(crate) use self::originals::originals;
pub(crate) use archive::open_archive;
pub use options::{Audience, S3Credentials, S3Options, S3Redirect};
pub use probe::{Unusable, probe};
pub use trial::{Step, Tried, try_bucket};

/// A blob store in a bucket.
struct S3BlobStore {
    parts: Arc<Parts>,
    home: Home,
}

struct Parts {
    bucket: Bucket,
    part_size: u64,
    memory: PartMemory,
    reading: read::ReadAhead,
    redirects: Option<Redirects>,
    clock: Clock,
}

/// Opens the store. Nothing is asked of the bucket yet.
pub fn open(options: &S3Options, clock: Clock) -> Result<Arc<dyn BlobStore>, StorageError> {
    let home = Home { endpoint: options.endpoint.clone(), bucket: options.bucket.clone() };
    Ok(Arc::new(S3BlobStore { parts: Arc::new(Parts::open(options, clock)?), home }))
}

impl Parts {
    fn open(options: &S3Options, clock: Clock) -> Result<Self, StorageError> {
        Ok(Self {
            bucket: Bucket::open(options, &clock)?,
            part_size: options.part_size,
            memory: PartMemory::new(options.upload_memory, options.part_size),
            reading: read::ReadAhead::new(),
            redirects: options
                .redirect
                .as_ref()
                .map(|redirect| Redirects::new(options, redirect, &clock))
                .transpose()?,
            clock,
        })
    }
}

#[async_trait]
impl BlobStore for S3BlobStore {
    async fn append(&self, staged: Staged, body: ByteStream, durable: bool) -> Result<Appended, StorageError> {
        append::append(&self.parts, staged, body, durable).await
    }

    async fn rehash(&self, staged: &Staged, algorithm: Algorithm) -> Result<Digest, StorageError> {
        publish::rehash(&self.parts, staged, algorithm).await
    }

    async fn publish(&self, staged: &Staged, _digest: &Digest) -> Result<BlobKey, StorageError> {
        let name = publish::publish(&self.parts, staged).await?;
        Ok(BlobKey(name))
    }

    async fn release(&self, old: &StagingArea, kept: &StagingArea) -> Result<(), StorageError> {
        let kept = area_of(kept)?.unwrap_or_else(|| Area::new(kept.upload));
        match area_of(old)? {
            Some(old) => discard::release(&self.parts, &old, &kept).await,
            None => Ok(()),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn needs_lease(&self, area: &StagingArea) -> bool {
        area_of(area).is_ok_and(|area| area.is_some_and(|area| area.multipart.is_some()))
    }

    async fn discard(&self, area: &StagingArea) -> Result<(), StorageError> {
        match area_of(area)? {
            Some(area) => discard::discard(&self.parts, &area).await,
            None => Ok(()),
        }
    }

    async fn staged_before(
        &self,
        before: i64,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<StagingArea>, StorageError> {
        abandoned::staged_before(&self.parts, before, after, limit).await
    }

    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        read::read(&self.parts, bucket::published(key)?, range).await
    }

    async fn locate(&self, key: &BlobKey, range: Range<u64>, client: Option<IpAddr>) -> Result<Content, StorageError> {
        if let Some(redirects) = self.parts.redirects.as_ref().filter(|redirects| redirects.include(client)) {
            return Ok(Content::Redirect(redirects.address(bucket::published(key)?).await?));
        }
        Ok(Content::Stream(self.read(key, range).await?))
    }

    async fn length(&self, key: &BlobKey) -> Result<Option<u64>, StorageError> {
        self.parts.bucket.size(bucket::published(key)?).await
    }

    async fn cannot_adopt(&self, original: &Original) -> Result<Option<String>, StorageError> {
        Ok(self.home.why_not(original))
    }

    fn adopted_keys(&self) -> Option<(&'static str, &'static str)> {
        Some((adopt::SHARED, adopt::OURS))
    }

    async fn adopt(&self, original: &Original, digest: &Digest, size: u64) -> Result<Adoption, StorageError> {
        adopt::adopt(&self.parts, &self.home, original, digest, size).await
    }

    async fn remove(&self, key: &BlobKey) -> Result<(), StorageError> {
        if adopt::is_shared(key) {
            // The other registry has it as well.
            return Ok(());
        }
        self.parts.bucket.remove(bucket::published(key)?).await
    }

    async fn contents(&self, after: Option<&BlobKey>) -> Result<Vec<StoredContent>, StorageError> {
        contents::after(&self.parts, after).await
    }

    async fn remove_all(&self, keys: &[BlobKey]) -> Vec<Result<bool, StorageError>> {
        removal::remove_all(&self.parts.bucket, keys).await
    }

    async fn bond(&self) -> Result<Option<Uuid>, StorageError> {
        removal::bond(&self.parts.bucket).await
    }

    async fn bind(&self, bond: Uuid) -> Result<(), StorageError> {
        self.parts.bucket.put(bucket::BOND, vec![bond.to_string().into()]).await
    }

    async fn mark(&self, id: Uuid) -> Result<(), StorageError> {
        self.parts.bucket.put(&bucket::mark(id), vec![id.to_string().into()]).await
    }

    async fn has_mark(&self, id: Uuid) -> Result<bool, StorageError> {
        Ok(self.parts.bucket.size(&bucket::mark(id)).await?.is_some())
    }

    async fn free_space(&self) -> Result<Option<u64>, StorageError> {
        Ok(None)
    }
}
