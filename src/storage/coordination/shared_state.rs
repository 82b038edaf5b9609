//! What the nodes of one registry must have in common: the key that seals secrets, the store of the blobs, the files of certificates.

use async_trait::async_trait;

use crate::storage::StorageError;

/// The files of certificates and their keys, all of them together, sealed with a key that is kept outside of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFiles {
    /// Grows with each change.
    pub version: i64,
    /// What a key opens that is kept outside of the database.
    pub sealed: Vec<u8>,
}

/// What nodes have in common. Each of these is set by whichever node comes first; the others compare.
#[async_trait]
pub trait SharedState {
    /// The name that was drawn when this database was made.
    async fn instance(&self) -> Result<String, StorageError>;

    /// By which a node sees that it has the same key as the others; `None` before the first start.
    async fn data_key_check(&self) -> Result<Option<Vec<u8>>, StorageError>;

    /// Sets it unless it is set; gives what counts from now on.
    async fn claim_data_key(&self, check: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// The mark of the store that has this registry's blobs; `None` before the first start.
    async fn blob_store(&self) -> Result<Option<String>, StorageError>;

    /// Sets it unless it is set; gives what counts from now on.
    async fn claim_blob_store(&self, mark: &str) -> Result<String, StorageError>;

    /// The version of the files; 0 while there are none.
    async fn files_version(&self) -> Result<i64, StorageError>;

    /// The files; `None` before the first start.
    async fn sealed_files(&self) -> Result<Option<SealedFiles>, StorageError>;

    /// Replaces the files if they still have the version `replaces`. `false`, and nothing done, where another process was faster.
    async fn replace_files(&self, sealed: Vec<u8>, replaces: i64) -> Result<bool, StorageError>;
}
