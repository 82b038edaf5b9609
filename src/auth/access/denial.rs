//! Why policy said no, in words that docker shows to its user.

use std::fmt;

use crate::auth::{Principal, Scope};
use crate::domain::{Action, Actions, RepositoryName};

/// Policy said no. `Display` is what the client may show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The client has not logged in (or the token has expired), and not everyone may.
    #[error("{0}")]
    Unauthenticated(DenialDetail),
    /// The principal may, but its token was made for less: a new token with [`DenialDetail::scope`] will do.
    #[error("{0}")]
    InsufficientScope(DenialDetail),
    /// The principal may not.
    #[error("{0}")]
    Forbidden(DenialDetail),
}

/// What was denied, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialDetail {
    scope: Option<Scope>,
    message: String,
}

impl DenialDetail {
    /// The scope that would have been needed, for the challenge; `None` if no token can be made for it.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }
}

impl fmt::Display for DenialDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Denial {
    /// The scope that would have been needed, for the challenge; `None` if no token can be made for it.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Unauthenticated(detail) | Self::InsufficientScope(detail) | Self::Forbidden(detail) => detail.scope(),
        }
    }

    pub(super) fn unauthenticated(action: Action, repository: &RepositoryName) -> Self {
        let message = format!("authentication required: log in to {}", describe(action, repository));
        Self::Unauthenticated(DenialDetail { scope: Some(wanted(action, repository)), message })
    }

    pub(super) fn insufficient_scope(action: Action, repository: &RepositoryName) -> Self {
        let message = format!("the token does not cover this: request one to {}", describe(action, repository));
        Self::InsufficientScope(DenialDetail { scope: Some(wanted(action, repository)), message })
    }

    pub(super) fn forbidden(who: &Principal, action: Action, repository: &RepositoryName) -> Self {
        let message =
            format!("{} may not {}: ask an administrator for a grant", name(who), describe(action, repository));
        Self::Forbidden(DenialDetail { scope: Some(wanted(action, repository)), message })
    }

    pub(super) fn catalog_unauthenticated() -> Self {
        let message = "authentication required: log in to list repositories".to_owned();
        Self::Unauthenticated(DenialDetail { scope: Some(Scope::Catalog), message })
    }

    pub(super) fn catalog_insufficient_scope() -> Self {
        let message = "the token does not cover this: request one to list repositories".to_owned();
        Self::InsufficientScope(DenialDetail { scope: Some(Scope::Catalog), message })
    }

    pub(super) fn administration_unauthenticated() -> Self {
        let message = "authentication required: log in as an administrator".to_owned();
        Self::Unauthenticated(DenialDetail { scope: None, message })
    }

    pub(super) fn administration_insufficient_scope() -> Self {
        let message = "no token covers administration: use the password or the client certificate itself".to_owned();
        Self::InsufficientScope(DenialDetail { scope: None, message })
    }

    pub(super) fn administration_forbidden(who: &Principal) -> Self {
        let message = format!("{} may not administer this registry: only administrators may", name(who));
        Self::Forbidden(DenialDetail { scope: None, message })
    }
}

fn name(who: &Principal) -> String {
    who.account().map_or_else(|| who.subject(), ToString::to_string)
}

/// `push to a/b`.
pub(super) fn describe(action: Action, repository: &RepositoryName) -> String {
    match action {
        Action::Pull => format!("pull {repository}"),
        Action::Push => format!("push to {repository}"),
        Action::Delete => format!("delete from {repository}"),
    }
}

/// What the challenge asks for: a client that pushes also checks whether the blobs exist, with the same token.
fn wanted(action: Action, repository: &RepositoryName) -> Scope {
    let actions = match action {
        Action::Push => Actions::from(Action::Pull).with(Action::Push),
        Action::Pull | Action::Delete => action.into(),
    };
    Scope::repository(repository.clone(), actions)
}
