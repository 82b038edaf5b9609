//! Receiving a body: an async side that fills a buffer while blocking ones write and hash the one before, a large one at the same time:
//! writing it waits for the disk, hashing it for the processor.
//!
//! A thread is held only while there is something to write, so that slow clients hold none; and two buffers are all that an
//! upload holds. While its client is silent it holds none.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::{JoinHandle, spawn_blocking};

use super::buffer::{Buffer, BufferPool};
use super::cancel::CancelGuard;
use super::staging::StagedFile;
use super::{Parts, blocking, joined};
use crate::domain::Hasher;
use crate::storage::StorageError;
use crate::storage::blobs::{Appended, ByteStream, Staged, StagingState};

/// What is written at once, in bytes.
pub(super) const BUFFER: usize = 1024 * 1024;
/// What is written at once at the start of an upload, and where too many upload at the same time.
pub(super) const SMALL_BUFFER: usize = 64 * 1024;
/// From this length on a buffer is hashed by another thread than the one that writes it.
const LARGE: usize = 256 * 1024;
/// How many large buffers all uploads share.
pub(super) const BUFFERS: usize = 8;
/// How many bytes may wait in the page cache before they are sent to the disk, so that the last sync is short.
const UNSYNCED: u64 = 64 * 1024 * 1024;

pub(super) async fn append(
    parts: &Arc<Parts>,
    staged: Staged,
    mut body: ByteStream,
    durable: bool,
) -> Result<Appended, StorageError> {
    // Before the body is asked for, so that a client that waits for leave to send it (100 Continue) need not.
    parts.space.take(0)?;
    let mut receiver = Receiver::new(parts, staged).await?;
    let broken = loop {
        match body.next().await {
            Some(Ok(bytes)) if bytes.is_empty() => receiver.rest().await?,
            Some(Ok(bytes)) => receiver.receive(bytes).await?,
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    Ok(Appended { staged: receiver.finish(durable).await?, broken })
}

struct Receiver {
    parts: Arc<Parts>,
    pool: BufferPool,
    buffer: Option<Buffer>,
    /// Whether anything has been written since the client was last silent.
    started: bool,
    /// Where in the file the buffer begins.
    offset: u64,
    writing: Writing,
    sync: Option<JoinHandle<io::Result<()>>>,
    /// Dropped with this: then no write begins any more.
    guard: CancelGuard,
}

/// Where the file is.
enum Writing {
    Idle(Box<StagedFile>),
    Busy {
        file: JoinHandle<Result<Box<StagedFile>, StorageError>>,
        /// Where it is not with the file.
        hash: Option<JoinHandle<Hasher>>,
    },
    /// After an error.
    Failed,
}

impl Receiver {
    /// What the session keeps of a small content is received once more: it is in a buffer then, as all that is not in the file.
    async fn new(parts: &Arc<Parts>, mut staged: Staged) -> Result<Self, StorageError> {
        let kept = staged.area.backend.take();
        if kept.is_some() {
            staged = Staged::empty(staged.area.upload, staged.hasher.algorithm());
        }
        let guard = CancelGuard::new();
        let offset = staged.length;
        let file = Box::new(StagedFile::new(parts, staged, guard.flag()));
        let mut receiver = Self {
            parts: Arc::clone(parts),
            pool: parts.received.clone(),
            buffer: None,
            started: false,
            offset,
            writing: Writing::Idle(file),
            sync: None,
            guard,
        };
        if let Some(StagingState(content)) = kept {
            receiver.receive(content.into()).await?;
        }
        Ok(receiver)
    }

    async fn receive(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            // Small bodies cost little memory: only what continues after a small buffer gets a large one.
            let (started, offset) = (self.started, self.offset);
            let buffer = self.buffer.get_or_insert_with(|| {
                if started { self.pool.take() } else { self.pool.take_small_until_page(offset) }
            });
            let taken = buffer.fill(rest);
            rest = &rest[taken..];
            if buffer.is_full() {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Nothing comes for a while: what has come is written, and no buffer is held meanwhile.
    async fn rest(&mut self) -> Result<(), StorageError> {
        self.write().await?;
        self.started = false;
        Ok(())
    }

    /// Hands the buffer, if there is one, to a blocking thread and continues with an empty one.
    async fn write(&mut self) -> Result<(), StorageError> {
        let Some(buffer) = self.buffer.take() else { return Ok(()) };
        let mut file = self.file().await?;
        self.started = true;
        self.offset += buffer.as_ref().len() as u64;
        if let Some(handle) = file.due_for_sync(UNSYNCED) {
            self.sync_meanwhile(&file, handle).await?;
        }
        let buffer = Arc::new(buffer);
        let is_large = is_large(&buffer);
        let hash = is_large.then(|| hash_meanwhile(file.hasher(), Arc::clone(&buffer)));
        let file = spawn_blocking(move || {
            let bytes = buffer.as_ref().as_ref();
            file.write(bytes)?;
            if !is_large {
                file.hasher().update(bytes);
            }
            Ok(file)
        });
        self.writing = Writing::Busy { file, hash };
        Ok(())
    }

    async fn finish(mut self, durable: bool) -> Result<Staged, StorageError> {
        if self.buffer.as_ref().is_some_and(is_large) {
            self.write().await?;
        }
        let mut file = self.file().await?;
        self.synced(&file).await?;
        let rest = self.buffer.take();
        if let (Some(staged), Some(content)) = (file.without_file(), &rest) {
            self.parts.space.take(content.as_ref().len() as u64)?;
            keep(staged, content.as_ref());
            return Ok(file.into_staged());
        }
        let finished = blocking(move || {
            if let Some(rest) = rest {
                file.write(rest.as_ref())?;
                file.hasher().update(rest.as_ref());
            }
            file.finish(durable)
        })
        .await;
        drop(self.guard);
        finished
    }

    /// The file, once what is being written to it is written.
    async fn file(&mut self) -> Result<Box<StagedFile>, StorageError> {
        match std::mem::replace(&mut self.writing, Writing::Failed) {
            Writing::Idle(file) => Ok(file),
            Writing::Busy { file, hash } => {
                let hash = match hash {
                    Some(hash) => Some(joined(hash.await.map(Ok))?),
                    None => None,
                };
                let mut file = joined(file.await)?;
                if let Some(hash) = hash {
                    *file.hasher() = hash;
                }
                Ok(file)
            }
            Writing::Failed => Err(StorageError::Damaged("an upload continued after it had failed".to_owned())),
        }
    }

    /// Sends to the disk what has gathered in the page cache, while writing continues.
    async fn sync_meanwhile(&mut self, file: &StagedFile, handle: Arc<File>) -> Result<(), StorageError> {
        self.synced(file).await?;
        self.sync = Some(spawn_blocking(move || handle.sync_data()));
        Ok(())
    }

    /// Waits for the sync that runs, if one does.
    async fn synced(&mut self, file: &StagedFile) -> Result<(), StorageError> {
        let Some(sync) = self.sync.take() else { return Ok(()) };
        let outcome = sync.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        outcome.map_err(|error| file.spoil(error))
    }
}

/// Keeps a small content with its session. Hashed here: it takes less than to hand it to a thread.
fn keep(staged: &mut Staged, content: &[u8]) {
    staged.hasher.update(content);
    staged.length = content.len() as u64;
    staged.area.backend = Some(StagingState(content.to_vec()));
}

fn is_large(buffer: &Buffer) -> bool {
    buffer.as_ref().len() >= LARGE
}

fn hash_meanwhile(hasher: &Hasher, buffer: Arc<Buffer>) -> JoinHandle<Hasher> {
    let mut hasher = hasher.clone();
    spawn_blocking(move || {
        hasher.update(buffer.as_ref().as_ref());
        hasher
    })
}
