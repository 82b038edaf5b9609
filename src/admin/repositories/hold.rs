//! Holds: what must not be deleted, and why.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{ImageName, RepositoryName, Tag};
use crate::storage::metadata::{Cause, Held, HoldRecord};

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The tag; `None`: the whole repository.
    pub(crate) tag: Option<Tag>,
    /// Why.
    pub(crate) reason: String,
    /// Since when, in seconds since the Unix epoch.
    pub(crate) since: i64,
    /// By whom.
    pub(crate) by: String,
}

impl From<HoldRecord> for Hold {
    fn from(record: HoldRecord) -> Self {
        Self { tag: record.held.tag, reason: record.held.reason, since: record.created_at, by: record.created_by }
    }
}

impl Administration {
    /// Holds a tag or a repository: no one can delete or move it until it is released.
    pub(crate) async fn hold(
        &self,
        permit: &AdminPermit,
        (repository, tag): (&RepositoryName, Option<&Tag>),
        reason: &str,
    ) -> Result<(), AdminError> {
        if reason.trim().is_empty() {
            return Err(AdminError::NoReason);
        }
        let held = Held { repository: repository.clone(), tag: tag.cloned(), reason: reason.trim().to_owned() };
        if self.metadata.hold(held, &self.change(permit, Cause::Delete)).await? {
            return Ok(());
        }
        Err(match tag {
            Some(tag) if self.metadata.repository_exists(repository).await? => {
                AdminError::UnknownTag(repository.clone(), tag.clone())
            }
            _ => AdminError::UnknownRepository(repository.clone()),
        })
    }

    /// Releases what is held.
    pub(crate) async fn release(&self, _permit: &AdminPermit, name: &ImageName) -> Result<(), AdminError> {
        let released = self.metadata.release(&name.repository, name.tag()).await?;
        if released { Ok(()) } else { Err(AdminError::NotHeld(name.clone())) }
    }

    /// The holds of a repository.
    pub(crate) async fn holds(
        &self,
        _permit: &AdminPermit,
        repository: &RepositoryName,
    ) -> Result<Vec<Hold>, AdminError> {
        Ok(self.metadata.holds_of(repository).await?.into_iter().map(Hold::from).collect())
    }
}
