//! Upload sessions between requests: whose they are, how far they came, and the hash state to continue from.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{Algorithm, Hasher, RepositoryName, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::{Staged, StagingArea, StagingState};

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// Its name.
    pub id: UploadId,
    /// The repository that the blob is for.
    pub repository: RepositoryName,
    /// Who opened it, with the account's epoch; no one else finds it.
    pub subject: String,
    /// Whose number of open sessions it counts for.
    pub owner: String,
    /// How far it came.
    pub progress: UploadProgress,
    /// When it last made progress.
    pub updated_at: i64,
}

impl UploadRecord {
    /// The content so far, to continue from.
    pub fn staged(&self) -> Result<Staged, StorageError> {
        let UploadProgress { algorithm, length, hash_state, staging } = &self.progress;
        let hasher = Hasher::restore(*algorithm, hash_state)
            .map_err(|error| StorageError::Damaged(format!("upload session {}: {error}", self.id)))?;
        Ok(Staged { area: StagingArea { upload: self.id, backend: staging.clone() }, length: *length, hasher })
    }
}

/// How far a session came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadProgress {
    /// What its content is hashed with.
    pub algorithm: Algorithm,
    /// How many bytes have been received.
    pub length: u64,
    /// The hash state after these bytes ([`crate::domain::Hasher::save`]).
    pub hash_state: Vec<u8>,
    /// What the blob store keeps between requests.
    pub staging: Option<StagingState>,
}

impl From<&Staged> for UploadProgress {
    fn from(staged: &Staged) -> Self {
        Self {
            algorithm: staged.hasher.algorithm(),
            length: staged.length,
            hash_state: staged.hasher.save(),
            staging: staged.area.backend.clone(),
        }
    }
}

/// What became of saving progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedUpload {
    /// It was saved.
    Saved,
    /// Nothing was saved: another writer has moved the session to this length.
    Moved {
        /// In bytes.
        length: u64,
    },
    /// Nothing was saved: the session does not exist any more.
    Gone,
}

/// Upload sessions.
#[async_trait]
pub trait Uploads {
    /// Stores a new session (`updated_at` is set by the store), unless its owner has `limit` of them already: then `false`. Does
    /// not create the repository. A power cut may undo this, until something else is stored: an empty session has nothing to lose.
    async fn create_upload(&self, upload: UploadRecord, limit: u32) -> Result<bool, StorageError>;

    /// The session, where it is of this repository and this subject.
    async fn upload(
        &self,
        repository: &RepositoryName,
        subject: &str,
        id: UploadId,
    ) -> Result<Option<UploadRecord>, StorageError>;

    /// Stores progress, if the session still has `expected_length` bytes: of two writers that continue from the same state, one does.
    async fn save_upload(
        &self,
        id: UploadId,
        expected_length: u64,
        progress: UploadProgress,
    ) -> Result<SavedUpload, StorageError>;

    /// Takes the session for this long, or keeps it, for the request that is named `holder`; `false` where another has it, or it is gone.
    /// It does not expire meanwhile. Whether progress can be saved does not depend on it.
    async fn hold_upload(&self, id: UploadId, holder: &str, time: Duration) -> Result<bool, StorageError>;

    /// Gives the session back, if `holder` still has it.
    async fn give_back_upload(&self, id: UploadId, holder: &str) -> Result<(), StorageError>;

    /// Ends the session. `false` where it is gone.
    async fn delete_upload(&self, id: UploadId) -> Result<bool, StorageError>;

    /// Whether there is a session of this name, regardless of its owner.
    async fn upload_exists(&self, id: UploadId) -> Result<bool, StorageError>;

    /// Up to `limit` sessions without progress since `before`, the oldest first, after the first `skip`.
    async fn stale_uploads(&self, before: i64, skip: u32, limit: u32) -> Result<Vec<UploadId>, StorageError>;

    /// Ends those of the sessions that are still without progress since `before`, and that no request holds; returns their staging areas, to be discarded.
    async fn delete_stale_uploads(&self, before: i64, ids: Vec<UploadId>) -> Result<Vec<StagingArea>, StorageError>;
}
