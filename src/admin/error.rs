//! Why an administrative use case was refused. Each message says what to do.

use super::trash::NotRestored;
use crate::auth::{PasswordTooLong, WeakPassword};
use crate::domain::retention::InvalidRule;
use crate::domain::{AccountName, Digest, Glob, Grantee, ImageName, RepositoryName, Tag};
use crate::storage::StorageError;

/// A refusal or a failure. Nothing was changed, except where storage failed after a change.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AdminError {
    /// The name has another meaning.
    #[error("the name {0} is reserved: choose another; nothing was changed")]
    ReservedName(AccountName),
    /// Another account has the name.
    #[error("the name {0} is taken: see `portcullis user list`; nothing was changed")]
    NameTaken(AccountName),
    /// The user would own repositories that others have pushed.
    #[error(
        "{name} would own repositories that already exist ({}): see `portcullis repo list`; choose another name, or allow it with \
         --own-existing; nothing was changed",
        joined(repositories)
    )]
    WouldOwn {
        /// The user's name.
        name: AccountName,
        /// Some of these repositories.
        repositories: Vec<RepositoryName>,
    },
    /// The password is empty.
    #[error("the password is empty; nothing was changed")]
    EmptyPassword,
    /// The password is too long.
    #[error("{0}; nothing was changed")]
    LongPassword(#[from] PasswordTooLong),
    /// The password is easily guessed.
    #[error("{0}; nothing was changed")]
    WeakPassword(#[from] WeakPassword),
    /// No user has this name.
    #[error("unknown user {0}: see `portcullis user list`; nothing was changed")]
    UnknownUser(AccountName),
    /// No repository has this name.
    #[error("unknown repository {0}: see `portcullis repo list`")]
    UnknownRepository(RepositoryName),
    /// The repository has no such tag, and had none.
    #[error("unknown tag {0}:{1}: see `portcullis repo tags {0}`; nothing was changed")]
    UnknownTag(RepositoryName, Tag),
    /// The repository has no such manifest.
    #[error("{0} has no manifest {1}, not in the trash either; nothing was changed")]
    UnknownManifest(RepositoryName, Digest),
    /// An unknown hold.
    #[error("{0} is not held: `portcullis repo show` lists the holds of a repository; nothing was changed")]
    NotHeld(ImageName),
    /// Something could not be restored.
    #[error("{0}; nothing was changed")]
    NotRestored(#[from] NotRestored),
    /// Tags move: a purge is of one manifest.
    #[error(
        "purge the manifest by its digest, NAME@DIGEST, because tags move: `portcullis repo history {0}` shows it; nothing was changed"
    )]
    PurgeByTag(ImageName),
    /// A reason is needed.
    #[error("the reason is empty: say why, for those who read it later; nothing was changed")]
    NoReason,
    /// Nothing was granted to this grantee on this pattern.
    #[error("{to} has no grant on {on}: see `portcullis grant list --to {to}`; nothing was changed")]
    UnknownGrant {
        /// To whom.
        to: Grantee,
        /// On which repositories.
        on: Glob,
    },
    /// There is none on this pattern.
    #[error("no quota on {0}: see `portcullis quota list`; nothing was changed")]
    UnknownQuota(Glob),
    /// No registry holds as much.
    #[error("a quota can be {} at most; nothing was changed", crate::domain::Amount(i64::MAX as u64))]
    QuotaTooLarge,
    /// No rule has this number.
    #[error("unknown rule {id}: see `portcullis {list}`; nothing was changed")]
    UnknownRule {
        /// The number.
        id: i64,
        /// The command that lists the rules.
        list: &'static str,
    },
    /// A clause does not fit what its rule selects.
    #[error("{0}; nothing was changed")]
    InvalidRule(#[from] InvalidRule),
    /// A rule needs to know when images were pulled.
    #[error(
        "pulled-within needs the times of pulls, which are not recorded: set pulls.record = true first; nothing was changed"
    )]
    PullsNotRecorded,
    /// Groups and robots cannot be granted anything.
    #[error("groups and robots are not supported yet: grant to user:NAME; nothing was changed")]
    UnsupportedGrantee,
    /// Anonymous may only pull.
    #[error("anonymous can only be granted pull: to push or delete, users must log in; nothing was changed")]
    AnonymousWrites,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The runtime is shutting down.
    #[error("the password could not be hashed: the program is stopping; nothing was changed")]
    Stopping,
}

fn joined(repositories: &[RepositoryName]) -> String {
    repositories.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
