//! Emptying the trash before its time.

use std::time::Duration;

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::storage::metadata::RemovalOutcome;

/// What was removed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EmptiedTrash {
    /// How many entries; tags that went with their manifests are not counted.
    pub(crate) removed: u64,
    /// How many stay, because they are held.
    pub(crate) held: u64,
}

impl Administration {
    /// Removes for good what was deleted `older` ago or earlier; `report` hears of each entry.
    pub(crate) async fn empty_trash(
        &self,
        permit: &AdminPermit,
        older: Duration,
        mut report: impl FnMut(u64),
    ) -> Result<EmptiedTrash, AdminError> {
        let older = i64::try_from(older.as_secs()).unwrap_or(i64::MAX);
        let before = self.clock.seconds().saturating_sub(older);
        let mut emptied = EmptiedTrash::default();
        for item in self.trash(permit).await? {
            if item.deleted_at > before || item.part_of.is_some() {
                continue;
            }
            match self.metadata.remove_trash(item.id).await? {
                RemovalOutcome::Removed => emptied.removed += 1,
                RemovalOutcome::Held => emptied.held += 1,
                RemovalOutcome::Gone => {}
            }
            report(emptied.removed);
        }
        Ok(emptied)
    }
}
