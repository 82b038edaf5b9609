//! The store of another registry, as an import reads it: folders, small files, and contents. Nothing here writes.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;

use super::{BlobKey, ByteStream};
use crate::storage::StorageError;

/// A content that another program has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Original {
    /// A file.
    File(PathBuf),
    /// An object.
    Object {
        /// The address of the object store; `None` for the one of the region.
        endpoint: Option<String>,
        /// The bucket.
        bucket: String,
        /// The whole name.
        name: String,
    },
}

/// What became of taking over a content without its bytes being moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It is a content of this store too, under this key; and whether it was not before.
    Adopted(BlobKey, bool),
    /// It can only be copied; why, in words for the operator.
    Impossible(String),
}

/// A file of another registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginalFile {
    /// Its length in bytes.
    pub(crate) size: u64,
    /// When it was last written to.
    pub(crate) modified_at: i64,
}

/// What another registry has stored. Paths are relative to its root, with `/` between names.
#[async_trait]
pub(crate) trait Originals: Send + Sync {
    /// Where it is, as an operator knows it.
    fn place(&self) -> String;

    /// The names of the folders in a folder, in their order; none where that is missing.
    async fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError>;

    /// Those folders of a folder that have this file (a path), with when it was last written to.
    async fn folders_with(&self, folder: &str, file: &str) -> Result<Vec<(String, i64)>, StorageError>;

    /// The names of the files in a folder, and what they are.
    async fn files(&self, folder: &str) -> Result<Vec<(String, OriginalFile)>, StorageError>;

    /// A file's length and date; `None` where it is missing.
    async fn look(&self, file: &str) -> Result<Option<OriginalFile>, StorageError>;

    /// A whole file; `None` where it is missing, or longer than `limit`.
    async fn read(&self, file: &str, limit: u64) -> Result<Option<Bytes>, StorageError>;

    /// The first `length` bytes of a file.
    async fn stream(&self, file: &str, length: u64) -> Result<ByteStream, StorageError>;

    /// What [`super::BlobStore::adopt`] is given.
    fn original(&self, file: &str) -> Original;
}
