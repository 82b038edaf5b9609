//! Applies rules to repositories, one after the other.

use super::Retention;
use crate::admin::AdminError;
use crate::domain::retention::{Circumstances, Decision, Judgement, RetentionRule, judge};
use crate::domain::{ImmutableRules, RepositoryName};
use crate::storage::metadata::{Retired, StoredGraph};

/// How many names are read at a time.
const PAGE: u32 = 1000;

/// All that decisions depend on, as it was when a run began.
pub(super) struct Bench {
    pub(super) rules: Vec<RetentionRule>,
    immutable: ImmutableRules,
    now: i64,
    pulls_since: Option<i64>,
    untagged_before: i64,
}

/// A repository, and what was decided about it.
pub(super) struct Examined {
    pub(super) stored: StoredGraph,
    pub(super) judgement: Judgement,
}

impl Retention {
    pub(super) async fn bench(&self) -> Result<Bench, AdminError> {
        let now = self.clock.seconds();
        let pulls_since = if self.settings.records_pulls { self.metadata.pulls_recorded_since().await? } else { None };
        let immutable = self.metadata.immutable_rules().await?.into_iter().map(|record| record.rule).collect();
        let lease = i64::try_from(self.settings.lease.as_secs()).unwrap_or(i64::MAX);
        Ok(Bench {
            rules: self.rules().await?.into_iter().map(|record| record.rule).collect(),
            immutable: ImmutableRules::new(immutable),
            now,
            pulls_since,
            untagged_before: now.saturating_sub(lease),
        })
    }

    /// The repositories after this one that any rule is about, of a page of all; and where the next page begins.
    pub(super) async fn covered(
        &self,
        bench: &Bench,
        after: Option<&RepositoryName>,
    ) -> Result<(Vec<RepositoryName>, Option<RepositoryName>), AdminError> {
        let page = self.metadata.repositories(after.map(RepositoryName::as_str), PAGE).await?;
        let last = page.last().cloned();
        let is_covered = |name: &RepositoryName| bench.rules.iter().any(|rule| rule.on.matches(name));
        Ok((page.into_iter().filter(is_covered).collect(), last))
    }

    /// Decides about a repository; `None` where it does not exist any more.
    pub(super) async fn examine(
        &self,
        bench: &Bench,
        repository: &RepositoryName,
        rehearses: bool,
    ) -> Result<Option<Examined>, AdminError> {
        let Some(stored) = self.metadata.repository_graph(repository).await? else { return Ok(None) };
        let judgement = judge(&stored.graph, &bench.circumstances(repository, rehearses));
        Ok(Some(Examined { stored, judgement }))
    }
}

impl Bench {
    pub(super) fn circumstances(&self, repository: &RepositoryName, rehearses: bool) -> Circumstances<'_> {
        Circumstances {
            rules: RetentionRule::of(&self.rules, repository),
            protection: self.immutable.of(repository),
            now: self.now,
            pulls_since: self.pulls_since,
            untagged_before: self.untagged_before,
            rehearses,
        }
    }
}

impl Examined {
    /// What would be decided if every rule had had its first run.
    pub(super) fn rehearsed(&self, bench: &Bench, repository: &RepositoryName) -> Judgement {
        judge(&self.stored.graph, &bench.circumstances(repository, true))
    }

    /// About tags and untagged manifests.
    pub(super) fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.judgement.tags.iter().chain(self.judgement.untagged.iter().map(|(_, decision)| decision))
    }

    /// What is not kept, in batches of this many.
    pub(super) fn retired(&self, at_once: usize) -> Vec<Retired> {
        let graph = &self.stored.graph;
        let tags = graph.tags.iter().zip(&self.judgement.tags).filter(|(_, decision)| !decision.is_kept);
        let tags: Vec<_> = tags.map(|(node, _)| node.tag.clone()).collect();
        let untagged = self.judgement.untagged.iter().filter(|(_, decision)| !decision.is_kept);
        let manifests: Vec<_> = untagged.map(|(place, _)| graph.manifests[*place].digest.clone()).collect();
        let of_tags = tags.chunks(at_once).map(|tags| Retired { tags: tags.to_vec(), manifests: Vec::new() });
        let of_manifests =
            manifests.chunks(at_once).map(|manifests| Retired { tags: Vec::new(), manifests: manifests.to_vec() });
        of_tags.chain(of_manifests).collect()
    }
}
