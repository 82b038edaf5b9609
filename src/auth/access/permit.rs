//! Permits: values that prove that policy allowed an action on a repository.

use std::marker::PhantomData;
use std::sync::OnceLock;

use super::actor::Actor;
use crate::domain::{Action, RepositoryName};

/// Reading a repository.
#[derive(Debug)]
pub enum Pull {}
/// Writing to a repository.
#[derive(Debug)]
pub enum Push {}
/// Continuing an upload session of one's own: what [`Push`] allows, also with a token that has expired meanwhile.
#[derive(Debug)]
pub enum Continue {}
/// Deleting from a repository.
#[derive(Debug)]
pub enum Delete {}

/// A kind of permit for one repository.
pub trait Permission: Send + Sync + 'static {
    /// The action that a grant must allow.
    const ACTION: Action;
    /// Whether a token that expired not long ago is still accepted.
    const OUTLIVES_TOKEN: bool = false;
}

impl Permission for Pull {
    const ACTION: Action = Action::Pull;
}

impl Permission for Push {
    const ACTION: Action = Action::Push;
}

impl Permission for Continue {
    const ACTION: Action = Action::Push;
    const OUTLIVES_TOKEN: bool = true;
}

impl Permission for Delete {
    const ACTION: Action = Action::Delete;
}

/// The proof that `subject` may do `P` to `repository`. [`crate::auth::Policy`] alone makes one.
#[derive(Debug)]
pub struct Authorized<P> {
    repository: RepositoryName,
    /// Written out where it is asked for: uploads alone do.
    subject: OnceLock<String>,
    actor: Actor,
    permission: PhantomData<fn() -> P>,
}

impl<P> Authorized<P> {
    /// For policy alone.
    pub(in crate::auth) fn new(repository: RepositoryName, actor: Actor) -> Self {
        Self { repository, subject: OnceLock::new(), actor, permission: PhantomData }
    }

    /// What the permit is for.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Who holds it: `user:alice#7` with the account's epoch, or `anonymous`. An upload session belongs to the one who opened it.
    pub fn subject(&self) -> &str {
        self.subject.get_or_init(|| self.actor.principal().holder())
    }

    /// Who holds it, by which credential, in which request.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}
