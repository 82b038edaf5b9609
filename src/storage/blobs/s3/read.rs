//! Reading contents: as they come, with a read-ahead for whole ones. What is cut off is continued from where it stopped.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Parts;
use super::block::block;
use super::bucket::Opened;
use super::error::{failed, is_missing};
use crate::storage::StorageError;
use crate::storage::blobs::ByteStream;

/// How long the object store may be silent in the middle of a content.
const IDLE: Duration = Duration::from_secs(30);
/// How often a content is continued without a byte of progress, and how long the first pause before that is.
const RETRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);
/// What is read ahead of a client, in blocks.
const BLOCK: usize = 256 * 1024;
const AHEAD: usize = 8 * 1024 * 1024 / BLOCK;
/// How many clients are read ahead of at the same time; others get what the network holds.
const READERS: usize = 16;

/// Room for reading ahead.
pub(super) struct ReadAhead(Arc<Semaphore>);

impl ReadAhead {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(READERS)))
    }
}

/// The bytes of `range`; the first chunk has been read when this returns.
pub(super) async fn read(parts: &Arc<Parts>, name: &str, range: Range<u64>) -> Result<ByteStream, StorageError> {
    if range.start >= range.end {
        let size = parts.bucket.size(name).await?.ok_or_else(|| missing(parts, name))?;
        return if range.end > size { Err(short(name, size, range.end)) } else { Ok(Box::pin(stream::empty())) };
    }
    let mut source = Source { parts: Arc::clone(parts), name: name.to_owned(), range, open: None, size: None };
    let Some(first) = source.next().await? else { return Ok(Box::pin(stream::empty())) };
    let is_whole = source.is_whole(first.len());
    let room = if is_whole { Arc::clone(&parts.reading.0).try_acquire_owned().ok() } else { None };
    let rest: ByteStream = match room {
        Some(room) if source.left() > BLOCK as u64 => ahead(source, room),
        _ => Box::pin(stream::try_unfold(source, |mut source| async move {
            Ok(source.next().await?.map(|chunk| (chunk, source)))
        })),
    };
    Ok(Box::pin(stream::once(async { Ok(first) }).chain(rest)))
}

/// Reads in a task of its own, which ends with the stream.
fn ahead(mut source: Source, room: OwnedSemaphorePermit) -> ByteStream {
    let (blocks, taken) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _room = room;
        loop {
            let block = source.block().await.transpose();
            let Some(block) = block else { return };
            let is_end = block.is_err();
            if blocks.send(block).await.is_err() || is_end {
                return;
            }
        }
    });
    Box::pin(stream::unfold(taken, |mut taken| async move { Some((taken.recv().await?, taken)) }))
}

/// A content that is being read.
struct Source {
    parts: Arc<Parts>,
    name: String,
    /// What is left to read.
    range: Range<u64>,
    open: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Of the whole object.
    size: Option<u64>,
}

impl Source {
    fn left(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether all of the object is read, of which the first `taken` bytes are.
    fn is_whole(&self, taken: usize) -> bool {
        self.range.start == taken as u64 && Some(self.range.end) == self.size
    }

    /// The next chunk; `None` at the end of the range, never before.
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let mut failures = 0;
        while self.left() > 0 {
            let why = match self.try_next().await {
                Ok(Some(mut chunk)) => {
                    chunk.truncate(usize::try_from(self.left()).unwrap_or(usize::MAX));
                    self.range.start += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) => StorageError::Unavailable(format!("the object {} was cut off", self.name)),
                Err(error @ StorageError::Unavailable(_)) => error,
                Err(error) => return Err(error),
            };
            let was_open = self.open.take().is_some();
            failures += 1;
            // To open it was tried again by the library already.
            if failures > RETRIES || !was_open {
                return Err(why);
            }
            tracing::debug!(%why, at = self.range.start, "a content is continued");
            tokio::time::sleep(PAUSE * 2_u32.pow(failures - 1)).await;
        }
        Ok(None)
    }

    async fn try_next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let context = || format!("reading the object {}", self.parts.bucket.path(&self.name));
        let open = match &mut self.open {
            Some(open) => open,
            open @ None => {
                let opened = opened(&self.parts, &self.name, self.range.clone()).await?;
                self.size = Some(opened.size);
                open.insert(opened.bytes)
            }
        };
        loop {
            match tokio::time::timeout(IDLE, open.next()).await {
                Ok(Some(Ok(chunk))) if chunk.is_empty() => {}
                Ok(chunk) => return chunk.transpose().map_err(|error| broken(failed(context(), error))),
                Err(_) => return Err(StorageError::Unavailable(format!("{}: silence", context()))),
            }
        }
    }

    /// As much as makes a block.
    async fn block(&mut self) -> Result<Option<Bytes>, StorageError> {
        let Some(first) = self.next().await? else { return Ok(None) };
        if first.len() >= BLOCK / 2 {
            return Ok(Some(first));
        }
        let mut block = block(BLOCK);
        block.extend_from_slice(&first);
        while block.len() < BLOCK / 2 {
            let Some(chunk) = self.next().await? else { break };
            block.extend_from_slice(&chunk);
        }
        Ok(Some(block.freeze()))
    }
}

/// The object, opened at the start of the range, which is in it.
async fn opened(parts: &Parts, name: &str, range: Range<u64>) -> Result<Opened, StorageError> {
    let end = range.end;
    match parts.bucket.get(name, range).await {
        Ok(opened) if opened.size < end => Err(short(name, opened.size, end)),
        Ok(opened) => Ok(opened),
        Err(error) if is_missing(&error) => Err(missing(parts, name)),
        Err(error) => {
            let error = failed(format!("reading the object {}", parts.bucket.path(name)), error);
            if !matches!(error, StorageError::Failed { .. }) {
                return Err(error);
            }
            // A range behind the end is refused in many ways: a look at the object tells.
            match parts.bucket.size(name).await {
                Ok(Some(size)) if size < end => Err(short(name, size, end)),
                Ok(None) => Err(missing(parts, name)),
                _ => Err(error),
            }
        }
    }
}

/// What breaks in the middle of a content can be continued.
fn broken(error: StorageError) -> StorageError {
    match error {
        StorageError::Failed { context, source } => StorageError::Unavailable(format!("{context}: {source}")),
        other => other,
    }
}

fn missing(parts: &Parts, name: &str) -> StorageError {
    StorageError::Damaged(format!("the object {} is missing", parts.bucket.path(name)))
}

fn short(name: &str, size: u64, wanted: u64) -> StorageError {
    StorageError::Damaged(format!("the object {name} has {size} bytes, and byte {wanted} was to be read"))
}
