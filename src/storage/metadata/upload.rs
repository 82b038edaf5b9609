//! Upload sessions between requests: whose they are, how far they came, and the hash state to go on from.

use async_trait::async_trait;

use crate::domain::{Algorithm, RepositoryName, UploadId};
use crate::storage::StorageError;

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
    /// What its content is hashed with.
    pub algorithm: Algorithm,
    /// How many bytes have been received.
    pub length: u64,
    /// The hash state after these bytes ([`crate::domain::Hasher::save`]).
    pub hash_state: Vec<u8>,
    /// When it last made progress.
    pub updated_at: i64,
}

/// Upload sessions.
#[async_trait]
pub trait Uploads {
    /// Stores a new session (`updated_at` is set by the store), unless its owner has `limit` of them already: then `false`. Does
    /// not create the repository.
    async fn create_upload(&self, upload: UploadRecord, limit: u32) -> Result<bool, StorageError>;

    /// The session, where it is of this repository and this subject.
    async fn upload(
        &self,
        repository: &RepositoryName,
        subject: &str,
        id: UploadId,
    ) -> Result<Option<UploadRecord>, StorageError>;

    /// Stores progress: algorithm, length and hash state. `false` where the session is gone.
    async fn save_upload(
        &self,
        id: UploadId,
        algorithm: Algorithm,
        length: u64,
        hash_state: Vec<u8>,
    ) -> Result<bool, StorageError>;

    /// Ends the session. `false` where it is gone.
    async fn delete_upload(&self, id: UploadId) -> Result<bool, StorageError>;

    /// Whether there is a session of this name, whoever's it is.
    async fn upload_exists(&self, id: UploadId) -> Result<bool, StorageError>;

    /// Up to `limit` sessions without progress since `before`, the oldest first, after the first `skip`.
    async fn stale_uploads(&self, before: i64, skip: u32, limit: u32) -> Result<Vec<UploadId>, StorageError>;

    /// Ends those of the sessions that are still without progress since `before`; returns them.
    async fn delete_stale_uploads(&self, before: i64, ids: Vec<UploadId>) -> Result<Vec<UploadId>, StorageError>;
}
