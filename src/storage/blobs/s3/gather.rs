//! Bytes on their way into a part: gathered in blocks, so that nothing large is copied or allocated for again, and hashed block by block,
//! large ones off the async threads, while the next bytes arrive.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinHandle, spawn_blocking};

use super::block::{PAGE, block};
use crate::domain::Hasher;
use crate::storage::StorageError;

/// What is gathered before a large block is allocated: many uploads are small.
pub(super) const FIRST: usize = 256 * 1024;
/// With what [`block`] adds, sizes that allocators have.
const SMALL_BLOCK: usize = 64 * 1024 - PAGE;
const BLOCK: usize = 1024 * 1024 - PAGE;

/// Bytes of a part so far.
#[derive(Default)]
pub(super) struct Gathered {
    blocks: Vec<Bytes>,
    open: BytesMut,
    /// How many bytes fit into the open block.
    room: usize,
    length: usize,
}

impl Gathered {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Bytes that are hashed already.
    pub(super) fn add_hashed(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        self.blocks.push(bytes);
    }

    /// Takes bytes in, up to the end of the block; returns how many, and the block if it is full.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> (usize, Option<Bytes>) {
        if self.open.is_empty() {
            self.room = if self.length < FIRST { SMALL_BLOCK } else { BLOCK };
            self.open = block(self.room);
        }
        let taken = bytes.len().min(self.room - self.open.len());
        self.open.extend_from_slice(&bytes[..taken]);
        self.length += taken;
        (taken, if self.open.len() == self.room { self.close() } else { None })
    }

    /// The block that is not full yet.
    pub(super) fn close(&mut self) -> Option<Bytes> {
        if self.open.is_empty() {
            return None;
        }
        let block = std::mem::take(&mut self.open).freeze();
        self.blocks.push(block.clone());
        Some(block)
    }

    /// All of it; everything must be closed.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.length = 0;
        std::mem::take(&mut self.blocks)
    }
}

/// A hash that may be busy with the block before.
pub(super) enum Hashing {
    Idle(Box<Hasher>),
    Busy(JoinHandle<Box<Hasher>>),
    Lost,
}

impl Hashing {
    /// Takes a block in: at once if it is small.
    pub(super) async fn update(&mut self, block: Bytes) -> Result<(), StorageError> {
        let mut hasher = self.idle().await?;
        *self = if block.len() < FIRST {
            hasher.update(&block);
            Self::Idle(hasher)
        } else {
            Self::Busy(spawn_blocking(move || {
                hasher.update(&block);
                hasher
            }))
        };
        Ok(())
    }

    /// The hash of all blocks.
    pub(super) async fn done(&mut self) -> Result<Hasher, StorageError> {
        Ok(*self.idle().await?)
    }

    async fn idle(&mut self) -> Result<Box<Hasher>, StorageError> {
        match std::mem::replace(self, Self::Lost) {
            Self::Idle(hasher) => Ok(hasher),
            Self::Busy(task) => task.await.map_err(|error| StorageError::Failed {
                context: "hashing an upload".to_owned(),
                source: Arc::new(error),
            }),
            Self::Lost => Err(StorageError::Damaged("the hash of an upload was lost".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Algorithm;

    #[tokio::test]
    async fn what_is_gathered_and_hashed_is_what_came() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).expect("small")).collect();
        let (mut gathered, mut hashing) =
            (Gathered::default(), Hashing::Idle(Box::new(Hasher::new(Algorithm::Sha256))));
        for piece in content.chunks(77_777) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (taken, block) = gathered.fill(rest);
                rest = &rest[taken..];
                if let Some(block) = block {
                    hashing.update(block).await.expect("hashed");
                }
            }
        }
        if let Some(block) = gathered.close() {
            hashing.update(block).await.expect("hashed");
        }
        assert_eq!(gathered.length(), content.len());
        assert_eq!(hashing.done().await.expect("hashed").finish(), Hasher::digest(Algorithm::Sha256, &content));
        assert!(gathered.take().concat() == content && gathered.length() == 0);
    }
}
