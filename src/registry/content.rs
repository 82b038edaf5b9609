//! Bytes on their way in and out, in the registry's own types: callers see no error of a storage backend. The streams are wrapped where
//! they are polled, so a chunk is neither copied nor allocated for again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::Uri;

use super::RegistryError;
use crate::domain::{Digest, MediaType};
use crate::storage::StorageError;
use crate::storage::blobs::{self, ByteStream};
use crate::storage::metadata::StoredManifest;

/// A body from a client. An empty chunk says that no more comes for a while; an error ends the stream, and what came before it is kept.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// Why a body ended early.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// The client sent an error, or closed the connection.
    #[error("the body of the upload is incomplete: {0}")]
    Incomplete(String),
    /// The client sent too slowly.
    #[error("the body came too slowly: {0}")]
    TooSlow(String),
    /// The server had no time for it.
    #[error("too busy: {0}")]
    Busy(String),
}

impl From<BodyError> for StorageError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete(why) => Self::BrokenBody(why),
            BodyError::TooSlow(why) => Self::SlowBody(why),
            BodyError::Busy(why) => Self::Busy(why),
        }
    }
}

/// The body as storage takes it, and of it at most `limit` bytes.
pub(super) fn for_storage(body: BodyStream, limit: Option<u64>) -> ByteStream {
    let body = body.map(|chunk| chunk.map_err(StorageError::from));
    let Some(limit) = limit else { return Box::pin(body) };
    Box::pin(body.scan(limit, |left, chunk| {
        std::future::ready(match chunk {
            Ok(_) if *left == 0 => None,
            Ok(mut chunk) => {
                chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= chunk.len() as u64;
                Some(Ok(chunk))
            }
            Err(error) => Some(Err(error)),
        })
    }))
}

/// A blob's content to be served.
pub enum Content {
    /// All of the bytes that were asked for: few, and in memory.
    Whole(Bytes),
    /// The bytes, as they are read.
    Stream(BlobStream),
    /// An address that serves them for a while, to anyone who has it: the client is sent there.
    Redirect(Uri),
}

impl From<blobs::Content> for Content {
    fn from(content: blobs::Content) -> Self {
        match content {
            blobs::Content::Stream(bytes) => Self::Stream(BlobStream(bytes)),
            blobs::Content::Redirect(to) => Self::Redirect(to),
        }
    }
}

/// The bytes of a blob.
pub struct BlobStream(ByteStream);

impl Stream for BlobStream {
    type Item = Result<Bytes, RegistryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context).map(|chunk| chunk.map(|chunk| chunk.map_err(RegistryError::from)))
    }
}

/// A manifest as it is served: the exact bytes and type that were pushed. Shared with the cache.
#[derive(Clone, Debug)]
pub struct PulledManifest(Arc<StoredManifest>);

impl PulledManifest {
    /// The repository's generation when it was read.
    pub(super) fn generation(&self) -> i64 {
        self.0.generation
    }

    /// The digest of the content.
    pub fn digest(&self) -> &Digest {
        &self.0.digest
    }

    /// What it is served as.
    pub fn media_type(&self) -> &MediaType {
        &self.0.media_type
    }

    /// The bytes.
    pub fn content(&self) -> &Bytes {
        &self.0.content
    }
}

impl From<Arc<StoredManifest>> for PulledManifest {
    fn from(stored: Arc<StoredManifest>) -> Self {
        Self(stored)
    }
}
