//! Repositories and their sizes, a page at a time.

use crate::admin::{AdminError, Administration, SizedRepository};
use crate::auth::AdminPermit;
use crate::domain::{Glob, NameRange, RepositoryName};

impl Administration {
    /// Repositories that the pattern covers among the next `limit`, all of these without one, in ASCII order, from the first one after `after`. With the name
    /// where the next page begins; `None` after the last one.
    pub(crate) async fn repositories(
        &self,
        _permit: &AdminPermit,
        on: Option<&Glob>,
        after: Option<&RepositoryName>,
        limit: u32,
    ) -> Result<(Vec<SizedRepository>, Option<RepositoryName>), AdminError> {
        let range = on.map_or_else(NameRange::all, NameRange::around);
        let after = after.map(RepositoryName::as_str);
        let mut names = self.metadata.repositories_within(&range, after, limit).await?;
        let last = names.last().cloned();
        names.retain(|name| on.is_none_or(|on| on.matches(name)));
        let sizes = self.metadata.repository_sizes(&names).await?;
        Ok((sizes.into_iter().map(SizedRepository::from).collect(), last))
    }
}
