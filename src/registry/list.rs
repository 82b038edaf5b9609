//! Lists: tags of a repository, repositories of the registry. Paged by key, never by offset.

use super::{Registry, RegistryError};
use crate::auth::{Authorized, CatalogPermit, Pull};
use crate::domain::RepositoryName;

/// Names are read from the database at least this many at a time while looking for those that a caller may see.
const LEAST_STEP: u32 = 100;

/// One page of names.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The names, in ASCII order.
    pub names: Vec<String>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

impl Registry {
    /// Up to `limit` tags after `last`; a limit above the configured page size is cut to it.
    pub async fn tags(
        &self,
        permit: &Authorized<Pull>,
        last: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, RegistryError> {
        let limit = self.page_limit(limit);
        let tags = self.metadata.tags(permit.repository(), last, limit + 1).await?;
        let tags = tags.ok_or_else(|| RegistryError::NameUnknown(permit.repository().clone()))?;
        Ok(page(tags.into_iter().map(|record| record.tag.to_string()), limit))
    }

    /// Up to `limit` repositories after `last` that the caller may see.
    pub async fn catalog(
        &self,
        permit: &CatalogPermit,
        last: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, RegistryError> {
        self.visible_repositories(permit, last, limit, |_| true).await
    }

    /// Up to `limit` repositories that the caller may see and whose name contains `text`.
    pub async fn search(&self, permit: &CatalogPermit, text: &str, limit: Option<u32>) -> Result<Page, RegistryError> {
        self.visible_repositories(permit, None, limit, |name| name.as_str().contains(text)).await
    }

    async fn visible_repositories(
        &self,
        permit: &CatalogPermit,
        last: Option<&str>,
        limit: Option<u32>,
        matches: impl Fn(&RepositoryName) -> bool,
    ) -> Result<Page, RegistryError> {
        let limit = self.page_limit(limit);
        let mut visible = Vec::new();
        let mut after = last.map(str::to_owned);
        loop {
            let step = self.metadata.repositories(after.as_deref(), (limit + 1).max(LEAST_STEP)).await?;
            let Some(end) = step.last().map(ToString::to_string) else { break };
            visible.extend(step.into_iter().filter(|name| permit.may_see(name) && matches(name)));
            if visible.len() > limit as usize {
                break;
            }
            after = Some(end);
        }
        Ok(page(visible.into_iter().map(|name| name.to_string()), limit))
    }

    pub(super) fn page_limit(&self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(self.settings.page_size).min(self.settings.page_size)
    }
}

fn page(names: impl Iterator<Item = String>, limit: u32) -> Page {
    let mut names: Vec<String> = names.take(limit as usize + 1).collect();
    let more = names.len() > limit as usize;
    names.truncate(limit as usize);
    // An empty page was asked for: there is no key to go on from.
    Page { more: more && limit > 0, names }
}
