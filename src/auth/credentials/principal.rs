//! Who acts: a user who has logged in, or anyone.

use crate::domain::AccountName;

/// The subject of clients that have not logged in.
pub(super) const ANONYMOUS: &str = "anonymous";
/// What precedes a user's name in a subject.
pub(super) const USER_PREFIX: &str = "user:";

/// Who acts. Holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A client that has not logged in.
    Anonymous,
    /// A user whose password or token was verified.
    User {
        /// The name logged in with.
        name: AccountName,
        /// Whether the user was an administrator when the credential was verified. For display: policy looks again.
        admin: bool,
        /// The user's epoch when the credential was made; the credential is invalid as soon as the stored one differs.
        epoch: i64,
    },
    /// The operator at the command line of the registry's own host. Its right is an [`crate::auth::AdminPermit`], never a grant.
    Operator {
        /// The user of the operating system.
        user: String,
    },
}

impl Principal {
    /// What tokens and the log call the principal: `user:alice`, `anonymous`, or `operator:root`.
    pub fn subject(&self) -> String {
        match self {
            Self::Anonymous => ANONYMOUS.to_owned(),
            Self::User { name, .. } => format!("{USER_PREFIX}{name}"),
            Self::Operator { user } => format!("operator:{user}"),
        }
    }

    /// Whose an upload session is: `user:alice#7`, the account as it is now. A user who is removed and added again, or whose password
    /// was changed, is another one.
    pub(in crate::auth) fn holder(&self) -> String {
        match self {
            Self::User { name, epoch, .. } => format!("{USER_PREFIX}{name}#{epoch}"),
            Self::Anonymous | Self::Operator { .. } => self.subject(),
        }
    }

    /// The epoch of the account logged in with.
    pub(in crate::auth) fn epoch(&self) -> Option<i64> {
        match self {
            Self::User { epoch, .. } => Some(*epoch),
            Self::Anonymous | Self::Operator { .. } => None,
        }
    }

    /// The account logged in with.
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::User { name, .. } => Some(name),
            Self::Anonymous | Self::Operator { .. } => None,
        }
    }
}
