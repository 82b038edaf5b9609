//! Removing a user. The repositories stay, because others may use them; how many is part of the answer.

use super::known;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{AccountName, NameRange};

/// How many repositories are read at a time.
const PAGE: u32 = 1000;

/// What remains of a user who was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RemovedUser {
    /// How many repositories of `NAME/**` are left.
    pub(crate) repositories_left: usize,
}

impl Administration {
    /// Removes a user and the grants given to them. Their tokens are no longer accepted.
    pub(crate) async fn remove_user(
        &self,
        _permit: &AdminPermit,
        name: &AccountName,
    ) -> Result<RemovedUser, AdminError> {
        known(self.metadata.remove_user(name).await?, name)?;
        Ok(RemovedUser { repositories_left: self.count_below(name).await? })
    }

    /// How many repositories `NAME/**` has.
    async fn count_below(&self, name: &AccountName) -> Result<usize, AdminError> {
        let range = NameRange::beginning_with(&format!("{name}/"));
        let (mut count, mut last) = (0, None::<String>);
        loop {
            let page = self.metadata.repositories_within(&range, last.as_deref(), PAGE).await?;
            let Some(name) = page.last() else { return Ok(count) };
            count += page.len();
            last = Some(name.as_str().to_owned());
        }
    }
}
