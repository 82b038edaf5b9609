//! `[blobs]`: where the content of blobs is kept.

use crate::config::{definition::settings, word::Word};

settings! {
    /// The section `[blobs]`.
    BlobSettings {
        /// Where the content of blobs is kept. "disk": in data_dir. "s3": in a bucket of an object store, as section [blobs.s3]
        /// says, which several nodes can share. What is kept already is not moved: `portcullis migrate-storage` does that.
        store: BlobStoreKind = BlobStoreKind::Disk;
    }
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobStoreKind {
    /// Files in the data directory.
    Disk,
    /// Objects in a bucket.
    S3,
}

impl Word for BlobStoreKind {
    const WORDS: &'static [(&'static str, Self)] = &[("disk", Self::Disk), ("s3", Self::S3)];
}
