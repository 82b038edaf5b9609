//! Everything that is not a blob's content: repositories, manifests, tags, links to blobs, upload sessions, users, grants, keys, and
//! what ACME needs to remember.
//!
//! One small trait per noun; [`Metadata`] is all of them. Every method is one transaction, durable when it returns, and what follows from a
//! write for other nodes is committed with it ([`super::coordination`]). No error of a database leaves its backend.
//! Times are whole seconds since the Unix epoch.

mod account;
mod account_policy;
mod acme;
mod change;
mod collection;
mod collection_guard;
mod grant;
mod hold;
mod immutable;
mod imports;
mod inspection;
mod integrity;
mod key;
mod login_failures;
mod manifest;
mod migration;
mod moves;
pub mod postgres;
mod pulls;
mod purge;
mod quota;
mod refresh_token;
mod repository;
mod repository_blob;
mod retention;
mod size;
mod sql;
pub mod sqlite;
mod tag;
mod tag_history;
pub(crate) mod transfer;
mod trash;
mod upload;

pub use account::{AddedUser, NewUser, UserRecord, Users};
pub use account_policy::{AccountPolicies, AccountPolicy};
pub use acme::{AcmeChallengeRecord, AcmeRecords};
pub use change::{Cause, Change};
pub use collection::{Collection, CollectionForecast, CollectionStatus, DoomedContent, Review, ReviewKind, Reviewed};
pub use collection_guard::{CollectionGuard, CollectionMark, RemovalLimit, Removals};
pub use grant::{GrantRecord, Grants};
pub use hold::{Held, HoldRecord, Holds};
pub use immutable::{ImmutableRecord, ImmutableTags, RefusedTag};
pub use imports::{EarlierDates, ImportedBlob, Imports};
pub(crate) use inspection::Inspection;
pub use integrity::{Integrity, ScrubPlace, StoredBlob};
pub use key::{TokenKeyRecord, TokenKeys};
pub use login_failures::{FailureRecord, LoginFailures, LoginName, UNKNOWN_NAMES};
pub use manifest::{Manifests, NewManifest, PageLimit, PutOutcome, ReferrerList, ReferrerRecord, StoredManifest};
pub(crate) use migration::SchemaStatus;
pub use moves::{BlobTotals, Moves};
pub use pulls::{LastPull, PullRecord, Pulls};
pub use purge::{PurgeRecord, Purged, Purges};
pub use quota::{CountedStep, QuotaRecord, QuotaState, Quotas};
pub use refresh_token::{RefreshTokenRecord, RefreshTokens};
pub use repository::{Repositories, RepositorySummary};
pub use repository_blob::{BlobRecord, LinkedBlob, RepositoryBlobs};
pub use retention::{Retention, RetentionRecord, RetentionRun, Retired, StoredGraph};
pub use size::{ContentSizes, RepositorySize, Sizes};
pub use tag::{TagRecord, Tags};
pub use tag_history::{Ended, HistoryRecord, Moment, TagHistory, TagRestored};
pub use trash::{RemovalOutcome, RestoreOutcome, Trash, TrashEntry, Trashed};
pub use upload::{SavedUpload, UploadProgress, UploadRecord, Uploads};

use async_trait::async_trait;

use super::StorageError;
use super::coordination::{Leases, Nodes, SharedLogins, SharedState, Versions};

/// A complete metadata store: made by the opening function of its backend, shared as `Arc<dyn Metadata>`, ended by [`Metadata::close`].
#[async_trait]
pub trait Metadata:
    Versions
    + SharedState
    + Leases
    + Nodes
    + SharedLogins
    + Repositories
    + Manifests
    + Tags
    + ImmutableTags
    + Retention
    + Pulls
    + TagHistory
    + Trash
    + Holds
    + Purges
    + RepositoryBlobs
    + Uploads
    + Users
    + LoginFailures
    + Grants
    + AccountPolicies
    + TokenKeys
    + RefreshTokens
    + AcmeRecords
    + Collection
    + Quotas
    + Sizes
    + CollectionGuard
    + Moves
    + Integrity
    + Imports
    + Send
    + Sync
    + 'static
{
    /// Whether the database answers and can be written: for readiness.
    async fn ping(&self) -> Result<(), StorageError>;

    /// Whether no user was ever added: the database of a registry before its first start.
    async fn is_new(&self) -> Result<bool, StorageError>;

    /// Ends what is queued and closes every connection. Calling it again does nothing; operations after it fail.
    async fn close(&self) -> Result<(), StorageError>;
}
