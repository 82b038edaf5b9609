//! Objects and multipart uploads by name, under the prefix: every request to the bucket but for the pages of the background.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::AmazonS3;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use uuid::Uuid;

use super::connect::connect;
use super::error::{failed, is_missing};
use super::options::S3Options;
use super::{adopt, area};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// The most that any request takes, with all its repetitions; those that read a content have other limits.
const LIMIT: Duration = Duration::from_mins(15);

/// A bucket and a prefix.
pub(super) struct Bucket {
    pub(super) store: AmazonS3,
    pub(super) prefix: String,
    pub(super) region: String,
    /// Where requests go that the library does not know: `https://HOST/BUCKET`, and what sends them.
    pub(super) raw: super::multiparts::Raw,
}

/// The bytes of an object as they come, and its whole length.
pub(super) struct Opened {
    pub(super) bytes: BoxStream<'static, object_store::Result<Bytes>>,
    pub(super) size: u64,
}

/// The name of a published content.
pub(super) fn published(key: &BlobKey) -> Result<&str, StorageError> {
    if area::is_content(&key.0) || adopt::whole_name(&key.0).is_some() {
        return Ok(&key.0);
    }
    Err(StorageError::Damaged(format!("{:?} is not the name of a content in a bucket", key.0)))
}

/// The bond with a database: the text of a UUID.
pub(super) const BOND: &str = "instance/bond";

/// The whole name of an object: an adopted one is not under the prefix.
pub(super) fn path(prefix: &str, name: &str) -> Path {
    match adopt::whole_name(name) {
        Some(whole) => Path::parse(whole).unwrap_or_else(|_| Path::from(whole)),
        None if prefix.is_empty() => Path::from(name),
        None => Path::from(format!("{prefix}/{name}")),
    }
}

/// The name of a mark of the store.
pub(super) fn mark(id: Uuid) -> String {
    format!("instance/{id}")
}

impl Bucket {
    pub(super) fn open(options: &S3Options, clock: &Clock) -> Result<Self, StorageError> {
        Ok(Self {
            store: connect(options, options.endpoint.as_deref(), clock)?,
            prefix: options.prefix.clone(),
            region: options.region.clone(),
            raw: super::multiparts::Raw::new(options, clock)?,
        })
    }

    /// The whole name.
    pub(super) fn path(&self, name: &str) -> Path {
        path(&self.prefix, name)
    }

    pub(super) async fn put(&self, name: &str, blocks: Vec<Bytes>) -> Result<(), StorageError> {
        let path = self.path(name);
        let put = self.store.put(&path, PutPayload::from_iter(blocks));
        within(put).await.map(drop).map_err(|error| failed(format!("storing the object {path}"), error))
    }

    /// The object's length; `None` where it is missing.
    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, StorageError> {
        let path = self.path(name);
        match within(self.store.head(&path)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(format!("looking at the object {path}"), error)),
        }
    }

    /// Begins to read a range, which is not empty.
    pub(super) async fn get(&self, name: &str, range: Range<u64>) -> object_store::Result<Opened> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(name), options).await?;
        let size = found.meta.size;
        Ok(Opened { bytes: found.into_stream().boxed(), size })
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StorageError> {
        let path = self.path(name);
        match within(self.store.delete(&path)).await {
            Err(error) if !is_missing(&error) => Err(failed(format!("removing the object {path}"), error)),
            _ => Ok(()),
        }
    }

    /// Begins a multipart upload; returns its id.
    pub(super) async fn begin(&self, name: &str) -> Result<String, StorageError> {
        let path = self.path(name);
        within(self.store.create_multipart(&path))
            .await
            .map_err(|error| failed(format!("beginning the multipart upload of {path}"), error))
    }

    /// Sends a part; returns what the object store calls it. Parts count from 0.
    pub(super) async fn part(
        &self,
        name: &str,
        id: &str,
        number: usize,
        blocks: Vec<Bytes>,
    ) -> Result<String, StorageError> {
        let (path, id) = (self.path(name), id.to_owned());
        let part = within(self.store.put_part(&path, &id, number, PutPayload::from_iter(blocks))).await;
        part.map(|part| part.content_id)
            .map_err(|error| failed(format!("sending part {} of {path}", number + 1), error))
    }

    pub(super) async fn complete(&self, name: &str, id: &str, parts: &[String]) -> Result<(), StorageError> {
        let (path, id) = (self.path(name), id.to_owned());
        let parts = parts.iter().map(|part| PartId { content_id: part.clone() }).collect();
        let completed = within(self.store.complete_multipart(&path, &id, parts)).await;
        completed.map(drop).map_err(|error| failed(format!("completing the multipart upload of {path}"), error))
    }

    pub(super) async fn abort(&self, name: &str, id: &str) -> Result<(), StorageError> {
        let (path, id) = (self.path(name), id.to_owned());
        within(self.store.abort_multipart(&path, &id))
            .await
            .map_err(|error| failed(format!("aborting the multipart upload of {path}"), error))
    }
}

/// Nothing waits without end.
async fn within<T>(request: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    tokio::time::timeout(LIMIT, request).await.unwrap_or_else(|_| {
        let source = Box::new(super::error::Refusal::Silent(LIMIT));
        Err(object_store::Error::Generic { store: "S3", source })
    })
}
