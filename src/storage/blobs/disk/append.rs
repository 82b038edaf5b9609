//! Receiving a body: an async side that fills a buffer while a blocking one writes and hashes the one before.
//!
//! A thread is held only while there is something to write, so that slow clients hold none; and two buffers are all that an
//! upload holds. While its client is silent it holds none.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::{JoinHandle, spawn_blocking};

use super::buffer::{Buffer, BufferPool};
use super::cancel::CancelGuard;
use super::staging::StagedFile;
use super::{Parts, blocking, joined};
use crate::storage::StorageError;
use crate::storage::blobs::{Appended, ByteStream, Staged};

/// What is written at once, in bytes.
pub(super) const BUFFER: usize = 1024 * 1024;
/// What is written at once at the start of an upload, and where too many upload at the same time.
pub(super) const SMALL_BUFFER: usize = 64 * 1024;
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
    let mut receiver = Receiver::new(parts, staged);
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
    pool: BufferPool,
    buffer: Option<Buffer>,
    /// Whether anything has been written since the client was last silent.
    started: bool,
    writing: Writing,
    /// The bytes written since the last sync began.
    unsynced: u64,
    sync: Option<JoinHandle<io::Result<()>>>,
    /// Dropped with this: then no write begins any more.
    guard: CancelGuard,
}

/// Where the file is.
enum Writing {
    Idle(Box<StagedFile>),
    Busy(JoinHandle<Result<Box<StagedFile>, StorageError>>),
    /// After an error.
    Failed,
}

impl Receiver {
    fn new(parts: &Arc<Parts>, staged: Staged) -> Self {
        let guard = CancelGuard::new();
        let file = Box::new(StagedFile::new(parts, staged, guard.flag()));
        Self {
            pool: parts.received.clone(),
            buffer: None,
            started: false,
            writing: Writing::Idle(file),
            unsynced: 0,
            sync: None,
            guard,
        }
    }

    async fn receive(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            // Small bodies cost little memory: only what continues after a small buffer gets a large one.
            let started = self.started;
            let buffer =
                self.buffer.get_or_insert_with(|| if started { self.pool.take() } else { self.pool.take_small() });
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
        self.unsynced += buffer.as_ref().len() as u64;
        if self.unsynced >= UNSYNCED {
            self.sync_meanwhile(&file).await?;
        }
        self.writing = Writing::Busy(spawn_blocking(move || {
            file.write(buffer.as_ref())?;
            Ok(file)
        }));
        Ok(())
    }

    async fn finish(mut self, durable: bool) -> Result<Staged, StorageError> {
        let mut file = self.file().await?;
        self.synced(&file).await?;
        let rest = self.buffer.take();
        let finished = blocking(move || {
            if let Some(rest) = rest {
                file.write(rest.as_ref())?;
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
            Writing::Busy(task) => joined(task.await),
            Writing::Failed => Err(StorageError::Damaged("an upload continued after it had failed".to_owned())),
        }
    }

    /// Sends to the disk what has gathered in the page cache, while writing continues.
    async fn sync_meanwhile(&mut self, file: &StagedFile) -> Result<(), StorageError> {
        self.synced(file).await?;
        self.unsynced = 0;
        self.sync = file.handle().map(|handle| spawn_blocking(move || handle.sync_data()));
        Ok(())
    }

    /// Waits for the sync that runs, if one does.
    async fn synced(&mut self, file: &StagedFile) -> Result<(), StorageError> {
        let Some(sync) = self.sync.take() else { return Ok(()) };
        let outcome = sync.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        outcome.map_err(|error| file.spoil(error))
    }
}
