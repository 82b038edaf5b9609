//! Restoring: an entry of the trash, a repository by its name, a tag by its history.

use super::{DeletedItem, NotRestored};
use crate::admin::{AdminError, Administration, TagMoment};
use crate::auth::AdminPermit;
use crate::domain::{Digest, ImageName, Reference, RepositoryName, Tag};
use crate::storage::coordination::seen_everywhere;
use crate::storage::metadata::{Cause, Moment, RestoreOutcome, TagRestored, TrashEntry};

/// What is there again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// What it is called.
    pub(crate) name: ImageName,
    /// What a tag points to now, and what it pointed to before that.
    pub(crate) target: Option<(Digest, Option<Digest>)>,
    /// Tags of a manifest that point elsewhere by now, and were left there.
    pub(crate) left_out: Vec<Tag>,
}

impl Administration {
    /// Restores an entry of the trash.
    pub(crate) async fn restore_from_trash(&self, permit: &AdminPermit, id: i64) -> Result<Restored, AdminError> {
        let outcome = self.metadata.restore(id, &self.change(permit, Cause::Restore)).await?;
        let refused = match outcome {
            RestoreOutcome::Restored { entry, left_out } => {
                seen_everywhere(self.metadata.serves_many_nodes()).await;
                let item = DeletedItem::from(entry);
                return Ok(Restored { name: item.name, target: None, left_out });
            }
            RestoreOutcome::Unknown => NotRestored::UnknownEntry(id),
            RestoreOutcome::NameTaken(entry, Some(digest)) => NotRestored::TagTaken(name(entry), digest),
            RestoreOutcome::NameTaken(entry, None) => NotRestored::RepositoryTaken(entry.repository),
            RestoreOutcome::RepositoryInTrash(entry, other) => {
                NotRestored::InDeletedRepository(entry.repository, other)
            }
            RestoreOutcome::ContentGone(entry, digest) => NotRestored::ContentGone(entry.repository, digest),
        };
        Err(refused.into())
    }

    /// Restores the repository of this name that was deleted last, or that existed at a time, in seconds.
    pub(crate) async fn restore_repository(
        &self,
        permit: &AdminPermit,
        repository: &RepositoryName,
        at: Option<i64>,
    ) -> Result<Restored, AdminError> {
        let deleted = self.metadata.deleted_repositories(repository).await?;
        if deleted.is_empty() {
            return Err(NotRestored::UnknownRepository(repository.clone()).into());
        }
        // The oldest that was deleted after that time: those before it had the name until then.
        let entry = match at {
            None => deleted.first(),
            Some(time) => deleted.iter().rev().find(|entry| entry.deleted_at > time),
        };
        let entry = entry.ok_or_else(|| NotRestored::NoRepositoryThen(repository.clone()))?;
        self.restore_from_trash(permit, entry.id).await
    }

    /// Points a tag to what it pointed to.
    pub(crate) async fn restore_tag(
        &self,
        permit: &AdminPermit,
        (repository, tag): (&RepositoryName, &Tag),
        moment: TagMoment,
    ) -> Result<Restored, AdminError> {
        let moment = match moment {
            TagMoment::Deleted => Moment::Deleted,
            TagMoment::Previous => Moment::Previous,
            TagMoment::At(time) => Moment::At(time),
        };
        let change = self.change(permit, Cause::Restore);
        let outcome = self.metadata.restore_tag(repository, tag, moment, &change).await?;
        let name = ImageName { repository: repository.clone(), reference: Some(Reference::Tag(tag.clone())) };
        let refused = match outcome {
            TagRestored::Moved { to, from } => {
                seen_everywhere(self.metadata.serves_many_nodes()).await;
                return Ok(Restored { name, target: Some((to, from)), left_out: Vec::new() });
            }
            TagRestored::UnknownRepository => return Err(AdminError::UnknownRepository(repository.clone())),
            TagRestored::Unchanged(digest) => NotRestored::Unchanged(name, digest),
            TagRestored::Exists(digest) => NotRestored::TagTaken(name, digest),
            TagRestored::NothingThen => NotRestored::NothingThen(repository.clone(), tag.clone()),
            TagRestored::ContentGone(digest) => NotRestored::ContentGone(repository.clone(), digest),
        };
        Err(refused.into())
    }
}

fn name(entry: TrashEntry) -> ImageName {
    DeletedItem::from(entry).name
}
