//! What the repositories of each top-level namespace hold, and what deleting them would free.

use std::collections::BTreeMap;

use super::{Quota, Sizes};
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::config::{GcSettings, TrashSettings};
use crate::domain::{Glob, NameRange, RepositoryName};

/// How many names are read at a time.
const PAGE: u32 = 1000;

/// A top-level namespace: what comes before the first slash of its repositories' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamespaceUsage {
    /// The first segment.
    pub(crate) name: String,
    /// How many of its repositories are covered.
    pub(crate) repositories: u64,
    /// What these hold together.
    pub(crate) sizes: Sizes,
    /// The quota of exactly this namespace.
    pub(crate) quota: Option<Quota>,
}

impl Administration {
    /// Until when the space of what is deleted now is free, in seconds: after it has left the trash, its leases are over, and the grace
    /// period has passed. `None` where nothing is collected.
    pub(crate) fn freed_at(&self, trash: &TrashSettings, gc: &GcSettings) -> Option<i64> {
        let within = trash.keep.max(gc.lease) + gc.grace;
        gc.enabled.then(|| self.clock.seconds().saturating_add_unsigned(within.as_secs()))
    }

    /// What each namespace holds in the repositories that the pattern covers, all of them without one.
    pub(crate) async fn usage(
        &self,
        permit: &AdminPermit,
        on: Option<&Glob>,
    ) -> Result<Vec<NamespaceUsage>, AdminError> {
        let quotas = self.quotas(permit).await?;
        let mut usage = Vec::new();
        for (name, repositories) in self.by_namespace(on).await? {
            let range = NameRange::beginning_with(&format!("{name}/"));
            let sizes = self.metadata.sizes_together(&repositories, &range).await?.into();
            let pattern = format!("{name}/**");
            let quota = quotas.iter().find(|quota| quota.on.as_str() == pattern).cloned();
            usage.push(NamespaceUsage { name, repositories: repositories.len() as u64, sizes, quota });
        }
        Ok(usage)
    }

    async fn by_namespace(&self, on: Option<&Glob>) -> Result<BTreeMap<String, Vec<RepositoryName>>, AdminError> {
        let range = on.map_or_else(NameRange::all, NameRange::around);
        let mut namespaces: BTreeMap<String, Vec<RepositoryName>> = BTreeMap::new();
        let mut last: Option<RepositoryName> = None;
        loop {
            let page =
                self.metadata.repositories_within(&range, last.as_ref().map(RepositoryName::as_str), PAGE).await?;
            let Some(end) = page.last() else { return Ok(namespaces) };
            last = Some(end.clone());
            for name in page.into_iter().filter(|name| on.is_none_or(|on| on.matches(name))) {
                let first = name.segments().next().unwrap_or_default().to_owned();
                namespaces.entry(first).or_default().push(name);
            }
        }
    }
}
