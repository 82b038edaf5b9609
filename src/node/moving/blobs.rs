//! Contents of blobs on their way from one store to the other, several at a time; each is hashed while it is written.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::bail;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::side::Side;
use crate::domain::Digest;
use crate::node::progress::Progress;
use crate::storage::StorageError;
use crate::storage::blobs::{BlobKey, ByteStream, store_content};
use crate::storage::metadata::BlobRecord;

/// Contents that are copied at the same time.
const AT_ONCE: usize = 8;
/// Blobs that are read from the database at a time.
const PAGE: u32 = 500;
/// Contents that are named when they are damaged.
const NAMED: usize = 5;

pub(super) struct BlobCopier<'m> {
    pub(super) source: &'m Side,
    pub(super) target: &'m Side,
    pub(super) progress: &'m Arc<dyn Progress>,
}

impl BlobCopier<'_> {
    /// Copies every content that has not arrived; returns how many these were, and their bytes.
    pub(super) async fn round(&self, what: &str) -> anyhow::Result<(u64, u64)> {
        let totals = self.source.metadata.blob_totals().await?;
        self.progress.begin(what, Some(totals.bytes));
        let (mut after, mut copied, mut damaged) = (None, (0, 0), Vec::new());
        loop {
            let page = self.source.metadata.all_blobs(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.digest.clone());
            let arrived = self.arrived(&page).await?;
            let (here, missing): (Vec<_>, Vec<_>) =
                page.into_iter().partition(|blob| arrived.contains_key(&blob.digest));
            self.progress.advance(here.iter().map(|blob| blob.size).sum());
            if copied == (0, 0) {
                self.require_space(totals.bytes, &missing).await?;
            }
            let under_way = missing.iter().map(|blob| async { (&blob.digest, self.copy(blob).await) });
            let mut under_way = stream::iter(under_way).buffer_unordered(AT_ONCE);
            while let Some((digest, copy)) = under_way.next().await {
                match copy {
                    Ok(bytes) => copied = (copied.0 + 1, copied.1 + bytes),
                    Err(StorageError::Damaged(why)) => damaged.push(format!("{digest} ({why})")),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if !damaged.is_empty() {
            let (count, named) = (damaged.len(), damaged[..damaged.len().min(NAMED)].join("; "));
            bail!(
                "{count} contents of the source are missing or damaged: push them again, or delete what refers to them, then run the \
                 same command again: {named}"
            );
        }
        Ok(copied)
    }

    async fn arrived(&self, page: &[BlobRecord]) -> Result<HashMap<Digest, BlobKey>, StorageError> {
        let digests = page.iter().map(|blob| blob.digest.clone()).collect();
        Ok(self.target.metadata.arrived(digests).await?.into_iter().collect())
    }

    /// A disk that cannot take everything is said before anything is copied.
    async fn require_space(&self, bytes: u64, missing: &[BlobRecord]) -> anyhow::Result<()> {
        let free = self.target.blobs.free_space().await?;
        let needed: u64 = missing.iter().map(|blob| blob.size).sum();
        match free {
            Some(free) if free < needed => bail!(
                "{} has {free} bytes free, and the blobs have {bytes} altogether: choose another place, or free up space",
                self.target.blob_place
            ),
            _ => Ok(()),
        }
    }

    /// One content, from its row in the source to its key in the target.
    async fn copy(&self, blob: &BlobRecord) -> Result<u64, StorageError> {
        let progress = Arc::clone(self.progress);
        let body: ByteStream = if blob.size == 0 {
            Box::pin(stream::empty())
        } else {
            let bytes = self.source.blobs.read(&blob.key, 0..blob.size).await?;
            Box::pin(bytes.inspect_ok(move |chunk| progress.advance(chunk.len() as u64)))
        };
        let key = store_content(&*self.target.blobs, &blob.digest, blob.size, body).await?;
        self.target.metadata.note_arrival(&blob.digest, &key).await?;
        Ok(blob.size)
    }

    /// Looks at every content that has arrived; those that are not as long as they must be are forgotten, and copied by the next round.
    pub(super) async fn forget_lost(&self) -> anyhow::Result<u64> {
        let totals = self.source.metadata.blob_totals().await?;
        self.progress.begin("checking blobs", Some(totals.bytes));
        let (mut after, mut lost) = (None, 0);
        loop {
            let page = self.source.metadata.all_blobs(after.as_ref(), PAGE).await?;
            let Some(end) = page.last() else { return Ok(lost) };
            after = Some(end.digest.clone());
            let arrived = self.arrived(&page).await?;
            let present = page.iter().filter_map(|blob| Some((blob, arrived.get(&blob.digest)?)));
            let mut looks = stream::iter(present.map(|(blob, key)| self.look(blob, key))).buffer_unordered(AT_ONCE);
            while let Some(look) = looks.next().await {
                lost += u64::from(!look?);
            }
        }
    }

    async fn look(&self, blob: &BlobRecord, key: &BlobKey) -> Result<bool, StorageError> {
        let is_there = self.target.blobs.length(key).await? == Some(blob.size);
        if !is_there {
            self.target.metadata.forget_arrival(&blob.digest).await?;
        }
        self.progress.advance(blob.size);
        Ok(is_there)
    }

    /// Contents of blobs that the source has removed meanwhile.
    pub(super) async fn remove_needless(&self) -> anyhow::Result<()> {
        loop {
            let needless = self.target.metadata.needless_arrivals(PAGE).await?;
            if needless.is_empty() {
                return Ok(());
            }
            for (digest, key) in needless {
                self.target.blobs.remove(&key).await?;
                self.target.metadata.forget_arrival(&digest).await?;
            }
        }
    }
}
