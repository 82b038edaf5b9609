//! Lists: tags of a repository, repositories of the registry. Paged by key, never by offset.
//!
//! A page has at most as many names as the operator allows, each of at most 255 bytes, and the work for one is bounded as well: names
//! are sought in the ranges that the caller's patterns begin with, and only so many are read.

use super::{Registry, RegistryError};
use crate::auth::{Authorized, CatalogPermit, Pull};
use crate::domain::RepositoryName;

/// Names are read from the database at least this many at a time while looking for those that a caller may see.
const LEAST_STEP: u32 = 100;
/// How many names are read for one page; each question to the database counts as [`LEAST_STEP`].
const MOST_READ: usize = 20_000;

/// One page of names.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The names, in ASCII order.
    pub names: Vec<String>,
    /// Where the next page starts, if there is one.
    pub next: Option<Next>,
}

/// Where a list continues.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// After this name, the last of the page.
    After(String),
    /// After this one, which the caller may not see: it must not be told.
    AfterHidden(String),
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
        Ok(page(tags.into_iter().map(|record| record.tag.to_string()).collect(), limit))
    }

    /// Up to `limit` repositories after `last` that the caller may see. It may be fewer, and there may be more after them.
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
        let step = (limit + 1).max(LEAST_STEP);
        let mut visible: Vec<String> = Vec::new();
        let mut after = last.map(str::to_owned);
        let mut read = 0;
        for range in if limit == 0 { Vec::new() } else { permit.visible_ranges() } {
            while !after.as_deref().is_some_and(|after| range.is_over_after(after)) {
                if let Some(after) = after.take_if(|_| read >= MOST_READ) {
                    return Ok(Page { names: visible, next: Some(Next::AfterHidden(after)) });
                }
                let names = self.metadata.repositories_within(&range, after.as_deref(), step).await?;
                read += names.len().max(LEAST_STEP as usize);
                let end = names.last().filter(|_| names.len() == step as usize);
                after = Some(end.map_or_else(|| range.end().to_owned(), ToString::to_string));
                let seen = names.iter().filter(|name| permit.may_see(name) && matches(name));
                visible.extend(seen.map(ToString::to_string));
                if visible.len() > limit as usize {
                    return Ok(page(visible, limit));
                }
            }
        }
        Ok(page(visible, limit))
    }

    /// How many entries a page has at most.
    pub fn page_limit(&self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(self.settings.limits.page_size).min(self.settings.limits.page_size)
    }
}

/// A page of the first `limit` of these names; one more says that there are more.
fn page(mut names: Vec<String>, limit: u32) -> Page {
    let more = names.len() > limit as usize;
    names.truncate(limit as usize);
    // Where an empty page was asked for, there is no key to continue from.
    let next = names.last().filter(|_| more).map(|last| Next::After(last.clone()));
    Page { names, next }
}
