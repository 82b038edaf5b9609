//! Everything that is not a blob's content: repositories, manifests, tags, links to blobs, upload sessions, users, grants, keys, and
//! what ACME needs to remember.
//!
//! One small trait per noun; [`Metadata`] is all of them. Every method is one transaction, durable when it returns.
//! Times are whole seconds since the Unix epoch.

mod account;
mod acme;
mod grant;
mod key;
mod link;
mod login_failures;
mod manifest;
mod refresh_token;
mod repository;
pub mod sqlite;
mod tag;
mod upload;

pub use account::{AddedUser, NewUser, UserRecord, Users};
pub use acme::{AcmeChallengeRecord, AcmeRecords};
pub use grant::{GrantRecord, Grants};
pub use key::{TokenKeyRecord, TokenKeys};
pub use link::{BlobLinks, BlobRecord};
pub use login_failures::{FailureRecord, LoginFailures, LoginName, UNKNOWN_NAMES};
pub use manifest::{
    Manifests, NewManifest, PageLimit, Precondition, PutOutcome, ReferrerList, ReferrerRecord, StoredManifest,
};
pub use refresh_token::{RefreshTokenRecord, RefreshTokens};
pub use repository::{Repositories, RepositorySummary};
pub use tag::{TagRecord, Tags};
pub use upload::{UploadRecord, Uploads};

use async_trait::async_trait;

use super::StorageError;

/// A complete metadata store.
#[async_trait]
pub trait Metadata:
    Repositories
    + Manifests
    + Tags
    + BlobLinks
    + Uploads
    + Users
    + LoginFailures
    + Grants
    + TokenKeys
    + RefreshTokens
    + AcmeRecords
    + Send
    + Sync
    + 'static
{
    /// A number that grows with every change of users, grants or keys, by whatever process; policy is read again when it does.
    async fn policy_version(&self) -> Result<i64, StorageError>;

    /// Whether the database answers and can be written: for readiness.
    async fn ping(&self) -> Result<(), StorageError>;

    /// Whether no user was ever added: the database of a registry before its first start.
    async fn is_new(&self) -> Result<bool, StorageError>;

    /// Ends what is queued and closes every connection. Calling it again does nothing; operations after it fail.
    async fn close(&self) -> Result<(), StorageError>;
}
