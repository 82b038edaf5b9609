//! Receiving a body: gathered into parts of equal size, each sent as soon as it is full, a few at a time.
//!
//! An upload holds room for a part only while bytes come for it: if its client is silent, or others wait and it is slow, what it has becomes
//! a tail, an object of its own, and is read again when the part is full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

use super::area::{Area, Multipart, SMALL, Tail, area_of_content};
use super::gather::{FIRST, Gathered, Hashing};
use super::parts::PartRoom;
use super::{Parts, discard};
use crate::domain::UploadId;
use crate::storage::StorageError;
use crate::storage::blobs::{Appended, ByteStream, Staged, StagingArea};

/// How many parts of one upload are on their way at the same time.
const IN_FLIGHT: usize = 3;
/// How long an upload may keep room for a part that others wait for.
const TURN: Duration = Duration::from_secs(10);
/// How many tails there may be before they are made one.
const TAILS: usize = 32;
/// What object stores take.
const MOST_PARTS: usize = 10_000;

pub(super) async fn append(
    parts: &Arc<Parts>,
    staged: Staged,
    body: ByteStream,
    durable: bool,
) -> Result<Appended, StorageError> {
    let before = area_of_content(&staged)?;
    let mut receiver = Receiver::new(parts, before.clone(), staged)?;
    match receiver.run(body, durable).await {
        Ok(broken) => Ok(Appended { staged: receiver.staged, broken }),
        Err(error) => {
            receiver.sending.clear();
            // What was stored meanwhile is of no use to anyone. If this fails too, the daily job finds it.
            if let Err(left) = discard::release(parts, &receiver.area, &before).await {
                tracing::debug!(%left, "what a failed upload has left in the bucket stays for now");
            }
            Err(error)
        }
    }
}

struct Receiver<'p> {
    parts: &'p Arc<Parts>,
    area: Area,
    staged: Staged,
    gathered: Gathered,
    hashing: Hashing,
    room: Option<(PartRoom, Instant)>,
    sending: VecDeque<AbortOnDropHandle<Result<String, StorageError>>>,
}

impl<'p> Receiver<'p> {
    fn new(parts: &'p Arc<Parts>, mut area: Area, staged: Staged) -> Result<Self, StorageError> {
        if area.multipart.as_ref().is_some_and(|multipart| multipart.whole) {
            return Err(StorageError::Damaged("the upload has its last part already: start it again".to_owned()));
        }
        if area.multipart.is_none() {
            // Another append to the same state may become another content.
            area.key = Area::new(staged.area.upload).key;
        }
        let mut gathered = Gathered::default();
        let small = std::mem::take(&mut area.small);
        if !small.is_empty() {
            gathered.add_hashed(small.into());
        }
        let hashing = Hashing::Idle(Box::new(staged.hasher.clone()));
        Ok(Self { parts, area, staged, gathered, hashing, room: None, sending: VecDeque::new() })
    }

    async fn run(&mut self, mut body: ByteStream, durable: bool) -> Result<Option<StorageError>, StorageError> {
        let broken = loop {
            match body.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => self.rest().await?,
                Some(Ok(bytes)) => self.receive(&bytes).await?,
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        self.finish(durable || broken.is_some()).await?;
        Ok(broken)
    }

    fn upload(&self) -> UploadId {
        self.staged.area.upload
    }

    /// The length of every part but the last.
    fn part_size(&self) -> u64 {
        self.area.multipart.as_ref().map_or(self.parts.part_size, |multipart| multipart.part_size)
    }

    /// How many bytes of the part are missing.
    fn missing(&self) -> u64 {
        self.part_size().saturating_sub(self.area.in_tails() + self.gathered.length() as u64)
    }

    async fn receive(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.staged.length += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.missing() == 0 {
                self.send().await?;
            }
            if self.gathered.length() >= FIRST {
                self.take_room().await?;
            }
            let most = usize::try_from(self.missing()).unwrap_or(usize::MAX).min(rest.len());
            let (taken, block) = self.gathered.fill(&rest[..most]);
            rest = &rest[taken..];
            if let Some(block) = block {
                self.hashing.update(block).await?;
            }
        }
        let now = self.parts.clock.instant();
        let is_slow = self.room.as_ref().is_some_and(|(_, since)| now.saturating_duration_since(*since) > TURN);
        if is_slow && self.parts.memory.is_used_up() {
            self.set_aside().await?;
        }
        Ok(())
    }

    async fn take_room(&mut self) -> Result<(), StorageError> {
        if self.room.is_none() {
            self.collect(false).await?;
            let room = self.parts.memory.room().await?;
            self.room = Some((room, self.parts.clock.instant()));
        }
        Ok(())
    }

    /// Nothing comes for a while.
    async fn rest(&mut self) -> Result<(), StorageError> {
        if self.gathered.length() > SMALL { self.set_aside().await } else { Ok(()) }
    }

    async fn close(&mut self) -> Result<(), StorageError> {
        match self.gathered.close() {
            Some(block) => self.hashing.update(block).await,
            None => Ok(()),
        }
    }

    /// Stores what is gathered as a tail, and gives up the room.
    async fn set_aside(&mut self) -> Result<(), StorageError> {
        self.close().await?;
        let length = self.gathered.length() as u64;
        let mut blocks = self.gathered.take();
        if self.area.tails.len() >= TAILS {
            let mut all = read_tails(self.parts, &self.area.tails).await?;
            all.append(&mut blocks);
            blocks = all;
            self.area.tails.clear();
        }
        let length = length.max(blocks.iter().map(|block| block.len() as u64).sum());
        let tail = Tail { name: self.area.next_tail(self.upload()), length };
        // Noted before: it may be there though the answer is lost.
        let name = tail.name.clone();
        self.area.tails.push(tail);
        self.parts.bucket.put(&name, blocks).await?;
        self.room = None;
        Ok(())
    }

    /// Sends the part, which is full or the last one. The tails that it was made of are dropped once the session no longer has them.
    async fn send(&mut self) -> Result<(), StorageError> {
        self.close().await?;
        self.take_room().await?;
        while self.sending.len() >= IN_FLIGHT {
            self.collect_one().await?;
        }
        let mut blocks = read_tails(self.parts, &self.area.tails).await?;
        self.area.tails.clear();
        blocks.append(&mut self.gathered.take());
        let number = self.multipart().await?.parts.len() + self.sending.len();
        if number >= MOST_PARTS {
            let limit = format!("a blob has more than {MOST_PARTS} parts: raise blobs.s3.part_size");
            return Err(StorageError::Full(limit));
        }
        let (parts, name, room) = (Arc::clone(self.parts), self.area.key.clone(), self.room.take());
        let id = self.multipart().await?.id.clone();
        self.sending.push_back(AbortOnDropHandle::new(tokio::spawn(async move {
            let sent = parts.bucket.part(&name, &id, number, blocks).await;
            drop(room);
            sent
        })));
        Ok(())
    }

    /// The multipart upload, which begins with the first part.
    async fn multipart(&mut self) -> Result<&mut Multipart, StorageError> {
        if self.area.multipart.is_none() {
            let id = self.parts.bucket.begin(&self.area.key).await?;
            let part_size = self.parts.part_size;
            self.area.multipart = Some(Multipart { id, part_size, parts: Vec::new(), whole: false });
        }
        self.area.multipart.as_mut().ok_or_else(|| StorageError::Damaged("no multipart upload".to_owned()))
    }

    /// Takes down what parts were called that have arrived; with `all`, waits for the rest.
    async fn collect(&mut self, all: bool) -> Result<(), StorageError> {
        while self.sending.front().is_some_and(|sent| all || sent.is_finished()) {
            self.collect_one().await?;
        }
        Ok(())
    }

    async fn collect_one(&mut self) -> Result<(), StorageError> {
        let Some(sending) = self.sending.pop_front() else { return Ok(()) };
        let sent = sending.await.map_err(|error| StorageError::Failed {
            context: "the task that sends a part".to_owned(),
            source: Arc::new(error),
        })??;
        self.multipart().await?.parts.push(sent);
        Ok(())
    }

    /// Ends the append, so that it can be continued or, otherwise, published with as few requests as possible.
    async fn finish(&mut self, to_continue: bool) -> Result<(), StorageError> {
        self.close().await?;
        self.staged.hasher = self.hashing.done().await?;
        let is_small = self.gathered.length() <= SMALL;
        if self.area.multipart.is_some() && !to_continue {
            if self.gathered.length() > 0 || !self.area.tails.is_empty() {
                self.send().await?;
            }
            self.collect(true).await?;
            self.multipart().await?.whole = true;
        } else if is_small {
            self.area.small = self.gathered.take().concat();
        } else {
            self.set_aside().await?;
        }
        self.collect(true).await?;
        self.room = None;
        let backend = if self.staged.length == 0 { None } else { Some(self.area.state()?) };
        self.staged.area = StagingArea { upload: self.upload(), backend };
        Ok(())
    }
}

/// The bytes of tails, in their order. They fit into a part.
pub(super) async fn read_tails(parts: &Arc<Parts>, tails: &[Tail]) -> Result<Vec<Bytes>, StorageError> {
    let mut blocks = Vec::new();
    for tail in tails {
        let mut bytes = super::read::read(parts, &tail.name, 0..tail.length).await?;
        while let Some(block) = bytes.next().await {
            blocks.push(block?);
        }
    }
    Ok(blocks)
}
