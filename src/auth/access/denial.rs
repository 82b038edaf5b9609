//! Why policy said no, in words that docker shows to its user.

use std::fmt;

use crate::auth::{Principal, Scope};
use crate::domain::{Action, Actions, RepositoryName};

/// A refusal. `Display` is what the client may show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Nobody has logged in (or the token has expired), and everybody may not.
    #[error("{0}")]
    Unauthenticated(Refusal),
    /// The principal may, but its token was made for less: a new token with [`Refusal::scope`] will do.
    #[error("{0}")]
    InsufficientScope(Refusal),
    /// The principal may not.
    #[error("{0}")]
    Forbidden(Refusal),
}

/// What was refused, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    scope: Scope,
    message: String,
}

impl Refusal {
    /// The scope that would have been needed, for the challenge.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Denial {
    /// The scope that would have been needed, for the challenge.
    pub fn scope(&self) -> &Scope {
        match self {
            Self::Unauthenticated(refusal) | Self::InsufficientScope(refusal) | Self::Forbidden(refusal) => {
                refusal.scope()
            }
        }
    }

    pub(in crate::auth) fn unauthenticated(action: Action, repository: &RepositoryName) -> Self {
        let message = format!("authentication required: log in to {}", deed(action, repository));
        Self::Unauthenticated(Refusal { scope: wanted(action, repository), message })
    }

    pub(in crate::auth) fn insufficient_scope(action: Action, repository: &RepositoryName) -> Self {
        let message = format!("the token was not made for this: ask for one to {}", deed(action, repository));
        Self::InsufficientScope(Refusal { scope: wanted(action, repository), message })
    }

    pub(in crate::auth) fn forbidden(who: &Principal, action: Action, repository: &RepositoryName) -> Self {
        let name = who.account().map_or_else(|| who.subject(), ToString::to_string);
        let message = format!("{name} may not {}: ask an administrator for a grant", deed(action, repository));
        Self::Forbidden(Refusal { scope: wanted(action, repository), message })
    }

    pub(in crate::auth) fn catalog_unauthenticated() -> Self {
        let message = "authentication required: log in to list repositories".to_owned();
        Self::Unauthenticated(Refusal { scope: Scope::Catalog, message })
    }

    pub(in crate::auth) fn catalog_insufficient_scope() -> Self {
        let message = "the token was not made for this: ask for one to list repositories".to_owned();
        Self::InsufficientScope(Refusal { scope: Scope::Catalog, message })
    }
}

/// `push to a/b`.
pub(in crate::auth) fn deed(action: Action, repository: &RepositoryName) -> String {
    match action {
        Action::Pull => format!("pull {repository}"),
        Action::Push => format!("push to {repository}"),
        Action::Delete => format!("delete from {repository}"),
    }
}

/// What the challenge asks for: whoever pushes also looks whether the blobs are there, with the same token.
fn wanted(action: Action, repository: &RepositoryName) -> Scope {
    let actions = match action {
        Action::Push => Actions::from(Action::Pull).with(Action::Push),
        Action::Pull | Action::Delete => action.into(),
    };
    Scope::repository(repository.clone(), actions)
}
