//! What a use case may fail with, in the registry's own words.

use super::{BodyError, OutOfMemory, Owner};
use crate::domain::oci::digest::InvalidDigest;
use crate::domain::oci::manifest::InvalidManifest;
use crate::domain::{Digest, OverQuota, Reference, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{Held, RefusedTag};

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The repository does not exist.
    #[error("the repository {0} does not exist here")]
    NameUnknown(RepositoryName),
    /// The repository does not have the manifest.
    #[error("{repository} has no manifest {reference}")]
    ManifestUnknown {
        /// Where it was looked for.
        repository: RepositoryName,
        /// What was looked for.
        reference: Reference,
    },
    /// The repository does not have the blob.
    #[error("the repository has no blob {0}")]
    BlobUnknown(Digest),
    /// The upload session is unknown, or belongs to another caller or repository.
    #[error("unknown upload session; it may have been finished or cancelled, or have expired: start again")]
    UploadUnknown,
    /// Another request is writing to the session.
    #[error("another request is writing to this upload session")]
    UploadBusy,
    /// The owner has as many unfinished uploads as are allowed.
    #[error(
        "{owner} has {limit} unfinished uploads, which is the most (limits.uploads_per_account): finish or cancel some, wait until \
         they expire (storage.upload_expiry), or raise the limit"
    )]
    TooManyUploads {
        /// Who has them.
        owner: Owner,
        /// How many there may be.
        limit: u32,
    },
    /// No memory is left for the request now.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The chunk does not begin at the session's length, or another request has changed that meanwhile. Nothing was written.
    #[error("the upload has {expected} bytes, but the chunk begins at byte {offset}")]
    OffsetMismatch {
        /// How many bytes the session has.
        expected: u64,
        /// Where the chunk begins.
        offset: u64,
    },
    /// The chunk's length is not what its range says. Nothing was kept of it.
    #[error("the chunk has {actual} bytes, but its Content-Range says {expected}")]
    LengthMismatch {
        /// By the range.
        expected: u64,
        /// By the body.
        actual: u64,
    },
    /// The content's digest is another one. The session is gone.
    #[error("the content has the digest {actual}, not {expected}")]
    DigestMismatch {
        /// What the client said.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The digest is invalid.
    #[error(transparent)]
    DigestInvalid(#[from] InvalidDigest),
    /// The blob is larger than the operator allows.
    #[error("blobs of more than {limit} bytes are not accepted here")]
    BlobTooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The manifest is larger than the operator allows.
    #[error("manifests of more than {limit} bytes are not accepted here")]
    ManifestTooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The manifest refers to more than the operator allows.
    #[error("the manifest has {count} descriptors; this registry takes {limit} at most (limits.manifest_descriptors)")]
    TooManyDescriptors {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The manifest is invalid.
    #[error(transparent)]
    ManifestInvalid(#[from] InvalidManifest),
    /// The manifest refers to what the repository does not have.
    #[error("the manifest refers to content that the repository does not have")]
    MissingReferences(Vec<Digest>),
    /// The tag has moved meanwhile, or exists already.
    #[error("the tag does not point to what the request's If-Match or If-None-Match says")]
    PreconditionFailed,
    /// Deleting is switched off.
    #[error("deleting is switched off on this registry")]
    DeleteDisabled,
    /// What was to be deleted or moved is held.
    #[error(transparent)]
    Held(Held),
    /// A tag was to be deleted or moved that is immutable.
    #[error(transparent)]
    Immutable(RefusedTag),
    /// Nothing may be changed.
    #[error("this registry is read-only at present: nothing can be pushed or deleted")]
    ReadOnly,
    /// The registry is on its way to other storage.
    #[error("{0}")]
    Frozen(&'static str),
    /// The body of an upload ended early. What came before is kept where the session outlives the request.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The disk is full, or below the free-space floor. Nothing was changed.
    #[error("no space left: {0}")]
    Full(String),
    /// A quota has no room for it. Nothing was stored.
    #[error("{0}")]
    OverQuota(Box<OverQuota>),
    /// Something is in use that others will give back soon: connections to the database, file descriptors, a lock.
    #[error("too busy: {0}")]
    Busy(String),
    /// A service that the registry depends on is away: the database, or the object store. It may be back soon.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Storage failed or is damaged, in words for the log.
    #[error("{0}")]
    Failed(String),
}

/// The kinds of storage's errors that a caller can act on; the rest is for the log.
impl From<StorageError> for RegistryError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full(what) => Self::Full(what),
            StorageError::OverQuota(over) => Self::OverQuota(over),
            StorageError::BrokenBody(why) => Self::Body(BodyError::Incomplete(why)),
            StorageError::SlowBody(why) => Self::Body(BodyError::TooSlow(why)),
            StorageError::Busy(what) => Self::Busy(what),
            StorageError::Held(held) => Self::Held(held),
            StorageError::Immutable(refused) => Self::Immutable(refused),
            StorageError::Frozen(why) => Self::Frozen(why),
            StorageError::Unavailable(what) => Self::Unavailable(what),
            StorageError::Damaged(_) | StorageError::Failed { .. } | StorageError::Superseded(_) => {
                Self::Failed(error.to_string())
            }
        }
    }
}
