//! Upload sessions: open, append, commit. Each step consumes the session, so none is taken from a state that does not allow it.
//!
//! A step continues to its end when the client goes away in the middle, so that what was received is kept and the client
//! can resume at the length that the session has.

use std::future::Future;
use std::sync::Arc;

use super::content::for_storage;
use super::session_locks::SessionLock;
use super::upload_turn::UploadTurn;
use super::{BodyStream, Owner, Registry, RegistryError};
use crate::auth::{Authorized, Continue, Push};
use crate::domain::{Algorithm, ContentRange, Digest, RepositoryName, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::{BlobKey, ByteStream, Staged, StagingArea};
use crate::storage::metadata::{BlobRecord, SavedUpload, UploadProgress, UploadRecord};

/// A session that this caller, and no one else in this process, is writing to.
pub struct UploadSession {
    registry: Arc<Registry>,
    repository: RepositoryName,
    staged: Staged,
    /// The length that the database has of it: another writer, in any process, changes it. And where that content is.
    saved_length: u64,
    saved_area: StagingArea,
    /// Whether it outlives this request.
    stored: bool,
    _lock: SessionLock,
    /// Where nodes share the blobs.
    _turn: Option<UploadTurn>,
}

impl Registry {
    /// Opens a session. It lives on between requests, and over restarts. Each owner may have so many
    /// ([`RegistryError::TooManyUploads`]).
    pub async fn begin_upload(
        self: &Arc<Self>,
        permit: &Authorized<Push>,
        algorithm: Algorithm,
        owner: &Owner,
    ) -> Result<UploadSession, RegistryError> {
        let mut session = self.begin_single_upload(permit, algorithm, None).await?;
        let record = UploadRecord {
            id: session.id(),
            repository: session.repository.clone(),
            subject: permit.subject().to_owned(),
            owner: owner.to_string(),
            progress: UploadProgress::from(&session.staged),
            updated_at: 0,
        };
        let limit = self.settings.limits.uploads_per_account;
        if !self.metadata.create_upload(record, limit).await? {
            return Err(RegistryError::TooManyUploads { owner: owner.clone(), limit });
        }
        session.stored = true;
        Ok(session)
    }

    /// Opens a session that ends with this request, for a blob that comes in one piece with its digest, and of this length if that is known.
    pub async fn begin_single_upload(
        self: &Arc<Self>,
        permit: &Authorized<Push>,
        algorithm: Algorithm,
        length: Option<u64>,
    ) -> Result<UploadSession, RegistryError> {
        self.require_writable()?;
        self.require_room(permit.repository(), length.unwrap_or(1)).await?;
        let id = UploadId::generate();
        Ok(UploadSession {
            registry: Arc::clone(self),
            repository: permit.repository().clone(),
            staged: Staged::empty(id, algorithm),
            saved_length: 0,
            saved_area: StagingArea::empty(id),
            stored: false,
            _lock: self.sessions.acquire(id).await?,
            _turn: None,
        })
    }

    /// Continues a session of the same repository and the same subject.
    pub async fn resume_upload(
        self: &Arc<Self>,
        permit: &Authorized<Continue>,
        id: UploadId,
    ) -> Result<UploadSession, RegistryError> {
        self.require_writable()?;
        let lock = if let Some(lock) = self.sessions.try_acquire(id) {
            lock
        } else {
            // Found first, so that the guess of another client does not wait.
            self.find_upload(permit, id).await?;
            self.sessions.acquire(id).await?
        };
        let mut record = self.find_upload(permit, id).await?;
        let mut turn = None;
        if self.blobs.is_shared() {
            let needed = self.blobs.needs_lease(&record.staged()?.area);
            turn = Some(UploadTurn::take(self, id, needed).await?);
            if needed {
                // As the one before left it.
                record = self.find_upload(permit, id).await?;
            }
        }
        let staged = record.staged()?;
        Ok(UploadSession {
            registry: Arc::clone(self),
            saved_area: staged.area.clone(),
            staged,
            saved_length: record.progress.length,
            repository: record.repository,
            stored: true,
            _lock: lock,
            _turn: turn,
        })
    }

    /// How many bytes the session has, as last stored; does not wait for a request that is writing to it.
    pub async fn upload_length(&self, permit: &Authorized<Continue>, id: UploadId) -> Result<u64, RegistryError> {
        Ok(self.find_upload(permit, id).await?.progress.length)
    }

    async fn find_upload(&self, permit: &Authorized<Continue>, id: UploadId) -> Result<UploadRecord, RegistryError> {
        let record = self.metadata.upload(permit.repository(), permit.subject(), id).await?;
        record.ok_or(RegistryError::UploadUnknown)
    }
}

impl UploadSession {
    /// The session's name.
    pub fn id(&self) -> UploadId {
        self.staged.area.upload
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.staged.length
    }

    /// Appends a chunk and stores the progress. Where a `range` is given it must begin at the session's length
    /// ([`RegistryError::OffsetMismatch`], before a byte is written).
    pub async fn append(self, range: Option<ContentRange>, body: BodyStream) -> Result<Self, RegistryError> {
        to_its_end(async move {
            let session = self.receive(range, body, true).await?;
            Ok(session)
        })
        .await
    }

    /// Appends the last chunk, if there is one, and commits the content under `digest`.
    pub async fn commit(
        mut self,
        range: Option<ContentRange>,
        body: Option<BodyStream>,
        digest: Digest,
    ) -> Result<(), RegistryError> {
        self.check_offset(range)?;
        to_its_end(async move {
            if self.staged.length == 0 {
                // Nothing is hashed yet: the client may have opened the session without naming its algorithm.
                self.staged = Staged::empty(self.id(), digest.algorithm());
            }
            let session = match body {
                Some(body) => self.receive(range, body, false).await?,
                None => self,
            };
            session.publish(digest).await
        })
        .await
    }

    /// Drops the session and its content.
    pub async fn cancel(self) -> Result<(), RegistryError> {
        to_its_end(self.discard()).await
    }

    fn check_offset(&self, range: Option<ContentRange>) -> Result<(), RegistryError> {
        let expected = self.staged.length;
        match range {
            Some(range) if range.first() != expected => {
                Err(RegistryError::OffsetMismatch { expected, offset: range.first() })
            }
            _ => Ok(()),
        }
    }

    /// Writes and hashes `body`. The progress is stored if `keep`, and in any case where the body is incomplete.
    async fn receive(
        mut self,
        range: Option<ContentRange>,
        body: BodyStream,
        keep: bool,
    ) -> Result<Self, RegistryError> {
        self.check_offset(range)?;
        let before = self.staged.clone();
        let body = for_storage(body, self.most_to_take());
        let (body, refused) = self.registry.within_quotas(&self.repository, before.length, body);
        let appended = self.registry.blobs.append(before.clone(), body, keep && self.stored).await?;
        let received = appended.staged.length - before.length;
        if let (Some(range), None) = (range, &appended.broken)
            && range.length() != received
        {
            // Not stored: the next append drops these bytes.
            self.release(&appended.staged.area, &before.area).await;
            return Err(RegistryError::LengthMismatch { expected: range.length(), actual: received });
        }
        self.staged = appended.staged;
        if let Some(over) = refused.get() {
            self.discard().await?;
            return Err(RegistryError::OverQuota(over.clone().into()));
        }
        if let Some(limit) = self.registry.settings.largest_blob().filter(|limit| self.staged.length > *limit) {
            self.discard().await?;
            return Err(RegistryError::BlobTooLarge { limit });
        }
        match appended.broken {
            None if keep => {
                self.store_progress().await?;
                Ok(self)
            }
            None => Ok(self),
            Some(broken) => {
                self.keep_what_came().await?;
                Err(broken.into())
            }
        }
    }

    /// How many bytes are taken: one more than a blob may have, which is enough to see that it has too many.
    fn most_to_take(&self) -> Option<u64> {
        let limit = self.registry.settings.largest_blob()?;
        Some(limit.saturating_sub(self.staged.length).saturating_add(1))
    }

    /// After an incomplete body: a session that outlives the request keeps what came, made durable first.
    async fn keep_what_came(&mut self) -> Result<(), RegistryError> {
        if !self.stored {
            self.registry.blobs.discard(&self.staged.area).await?;
            return Ok(());
        }
        let nothing: ByteStream = Box::pin(futures_util::stream::empty());
        self.staged = self.registry.blobs.append(self.staged.clone(), nothing, true).await?.staged;
        self.store_progress().await
    }

    /// Stores how far the session came, unless another writer has moved it meanwhile: then the client is told where it is. What is not part of
    /// the session any more, or never became one, is dropped.
    async fn store_progress(&mut self) -> Result<(), RegistryError> {
        if !self.stored {
            return Ok(());
        }
        let progress = UploadProgress::from(&self.staged);
        match self.registry.metadata.save_upload(self.id(), self.saved_length, progress).await? {
            SavedUpload::Saved => {
                self.saved_length = self.staged.length;
                let before = std::mem::replace(&mut self.saved_area, self.staged.area.clone());
                self.release(&before, &self.saved_area).await;
                Ok(())
            }
            SavedUpload::Moved { length } => {
                self.release(&self.staged.area, &self.saved_area).await;
                Err(RegistryError::OffsetMismatch { expected: length, offset: self.saved_length })
            }
            SavedUpload::Gone => {
                // What the session had may be a blob by now.
                self.release(&self.staged.area, &self.saved_area).await;
                Err(RegistryError::UploadUnknown)
            }
        }
    }

    /// Drops what only `old` has. What cannot be dropped now is found by the background.
    async fn release(&self, old: &StagingArea, kept: &StagingArea) {
        if let Err(error) = self.registry.blobs.release(old, kept).await {
            tracing::debug!(%error, upload = %self.id(), "what an upload no longer needs stays for now");
        }
    }

    /// Compares the digest, makes the content durable, and links it to the repository.
    async fn publish(self, expected: Digest) -> Result<(), RegistryError> {
        let actual = if expected.algorithm() == self.staged.hasher.algorithm() {
            self.staged.hasher.clone().finish()
        } else {
            self.registry.blobs.rehash(&self.staged, expected.algorithm()).await?
        };
        if actual != expected {
            self.discard().await?;
            return Err(RegistryError::DigestMismatch { expected, actual });
        }
        let _lock = self.registry.contents.publishing(&expected).await;
        if self.link_stored(&expected).await? {
            return Ok(());
        }
        let key = self.registry.blobs.publish(&self.staged, &expected).await?;
        let blob = BlobRecord { digest: expected, size: self.staged.length, key: key.clone() };
        let lease = self.registry.settings.gc.lease;
        let known = self.registry.metadata.link_blob(&self.repository, blob.clone(), self.finished(), lease).await?;
        let Some(known) = known else {
            // Cancelled, expired, or moved on: what was saved of the session belongs to others now.
            self.release(&self.staged.area, &self.saved_area).await;
            return Err(RegistryError::UploadUnknown);
        };
        self.registry.rows.forget(&self.repository, &blob.digest);
        self.release(&self.saved_area, &self.staged.area).await;
        if known == key { Ok(()) } else { self.registry.keep_one_content(blob, known).await }
    }

    /// Links a content that is stored already, and drops what was received. `false` where it is not, or was collected meanwhile.
    async fn link_stored(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let (registry, size) = (&self.registry, self.staged.length);
        let Some(key) = registry.stored_content(digest, size).await? else { return Ok(false) };
        let (blob, lease) = (BlobRecord { digest: digest.clone(), size, key }, registry.settings.gc.lease);
        if !registry.metadata.link_known_blob(&self.repository, blob, self.finished(), lease).await? {
            return Ok(false);
        }
        registry.rows.forget(&self.repository, digest);
        self.release(&self.saved_area, &self.staged.area).await;
        self.release(&self.staged.area, &StagingArea::empty(self.id())).await;
        Ok(true)
    }

    /// The session that a commit ends, and the length that it must still have.
    fn finished(&self) -> Option<(UploadId, u64)> {
        self.stored.then_some((self.id(), self.saved_length))
    }

    async fn discard(self) -> Result<(), RegistryError> {
        if self.stored && !self.registry.metadata.delete_upload(self.id()).await? && self.registry.blobs.is_shared() {
            // Another node has ended it, and its content may be a blob by now.
            return Err(RegistryError::UploadUnknown);
        }
        self.registry.blobs.discard(&self.staged.area).await?;
        Ok(())
    }
}

impl Registry {
    /// Where the content is stored already, of stores in which each upload has a key of its own.
    async fn stored_content(&self, digest: &Digest, length: u64) -> Result<Option<BlobKey>, RegistryError> {
        if !self.blobs.is_shared() {
            return Ok(None);
        }
        let stored = self.metadata.stored_blob(digest).await?.filter(|stored| stored.size == length);
        match stored {
            Some(stored) if self.blobs.length(&stored.key).await? == Some(length) => Ok(Some(stored.key)),
            _ => Ok(None),
        }
    }

    /// Of a blob that was pushed though it was `known` under another key, one content stays: the known one, unless it is lost.
    async fn keep_one_content(&self, pushed: BlobRecord, known: BlobKey) -> Result<(), RegistryError> {
        let key = pushed.key.clone();
        let kept = if self.blobs.length(&known).await? == Some(pushed.size) {
            known.clone()
        } else {
            self.metadata.replace_blob_key(pushed, known.clone()).await?
        };
        self.blobs.remove(if kept == key { &known } else { &key }).await?;
        Ok(())
    }
}

/// Runs `work` to its end, even where the caller is dropped because its client went away.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, RegistryError>> + Send + 'static,
) -> Result<T, RegistryError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => Err(StorageError::Failed {
            context: "the task of an upload ended early".to_owned(),
            source: Arc::new(error),
        }
        .into()),
    }
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
