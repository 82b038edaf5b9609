//! Holds: what an operator has protected from deletion, with a reason.
//!
//! A held tag stays where it is: it is neither deleted nor moved, and neither is its manifest deleted, nor anything that this lists. In a
//! held repository nothing is deleted, by no one, and nothing is collected; pushes continue, and may move tags that are not held themselves.

use std::fmt;

use async_trait::async_trait;

use super::Change;
use crate::domain::{RepositoryName, Tag};
use crate::storage::StorageError;

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRecord {
    /// What is held.
    pub held: Held,
    /// Since when, in seconds.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
}

/// What is held, and why: the reason for which a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag; `None`: the whole repository.
    pub tag: Option<Tag>,
    /// As the operator wrote it.
    pub reason: String,
}

impl Held {
    /// `team/app` or `team/app:v1`.
    pub fn name(&self) -> String {
        self.tag.as_ref().map_or_else(|| self.repository.to_string(), |tag| format!("{}:{tag}", self.repository))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        write!(
            f,
            "{name} is held: {}; an operator can release it (portcullis repo release {name}); nothing was changed",
            self.reason
        )
    }
}

impl std::error::Error for Held {}

/// The holds of every repository.
#[async_trait]
pub trait Holds {
    /// Holds a tag, or the repository without one; a hold that exists gets the new reason. `false`, and nothing done, where the
    /// repository or tag does not exist.
    async fn hold(&self, held: Held, change: &Change) -> Result<bool, StorageError>;

    /// Releases it. `false` where it was not held.
    async fn release(&self, repository: &RepositoryName, tag: Option<&Tag>) -> Result<bool, StorageError>;

    /// The holds of one repository: on the whole of it first, then by tag.
    async fn holds_of(&self, repository: &RepositoryName) -> Result<Vec<HoldRecord>, StorageError>;
}
