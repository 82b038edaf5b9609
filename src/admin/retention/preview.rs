//! What a run would remove, and why it would not remove the rest.

use super::Retention;
use super::examine::{Bench, Examined};
use crate::admin::AdminError;
use crate::domain::retention::Decision;
use crate::domain::{Digest, RepositoryName, Tag};

/// What the rules decide about all repositories.
#[derive(Debug, Default)]
pub(crate) struct Previewed {
    /// Those that a rule is about.
    pub(crate) repositories: Vec<PreviewedRepository>,
    /// How many bytes are freed in all once the trash is emptied of what is removed; repositories that share blobs count together.
    pub(crate) bytes_freed: u64,
}

/// What the rules decide about one repository.
#[derive(Debug)]
pub(crate) struct PreviewedRepository {
    /// Its name.
    pub(crate) name: RepositoryName,
    /// Its tags in order, then untagged manifests.
    pub(crate) rows: Vec<Row>,
    /// How many bytes are freed if nothing is removed from other repositories.
    pub(crate) bytes_freed: u64,
}

/// A tag, or a manifest that has none.
#[derive(Debug)]
pub(crate) struct Row {
    /// The tag.
    pub(crate) tag: Option<Tag>,
    /// The manifest's digest.
    pub(crate) digest: Digest,
    /// When it was last pushed; 0 where that is unknown.
    pub(crate) pushed_at: i64,
    /// When it was last pulled itself, as far as that is recorded.
    pub(crate) pulled_at: Option<i64>,
    /// What becomes of it.
    pub(crate) decision: Decision,
}

impl Previewed {
    /// Every row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.repositories.iter().flat_map(|repository| &repository.rows)
    }

    /// How many tags, and untagged manifests, would be removed.
    pub(crate) fn removed(&self) -> (usize, usize) {
        let removed = || self.rows().filter(|row| !row.decision.is_kept);
        let tags = removed().filter(|row| row.tag.is_some()).count();
        (tags, removed().count() - tags)
    }
}

impl Retention {
    /// What the next run would remove if every rule had had its first run; or only what this rule removes.
    pub(crate) async fn preview(&self, rule: Option<i64>) -> Result<Previewed, AdminError> {
        let bench = self.bench_for(rule).await?;
        let (mut previewed, mut lost, mut after) = (Previewed::default(), Vec::new(), None);
        loop {
            let (names, end) = self.covered(&bench, after.as_ref()).await?;
            for name in names {
                let Some(examined) = self.examine(&bench, &name, rule.is_none()).await? else { continue };
                let ids: Vec<i64> =
                    examined.judgement.lost.iter().map(|place| examined.stored.manifest_ids[*place]).collect();
                let rows = rows(&examined, rule);
                if !rows.is_empty() {
                    let bytes_freed = self.bytes_freed(&ids).await?;
                    previewed.repositories.push(PreviewedRepository { name, rows, bytes_freed });
                }
                lost.extend(ids);
            }
            if end.is_none() {
                break;
            }
            after = end;
        }
        previewed.bytes_freed = match previewed.repositories.as_slice() {
            [one] => one.bytes_freed,
            _ => self.bytes_freed(&lost).await?,
        };
        Ok(previewed)
    }

    /// As if this rule alone had had its first run: the others remove nothing then.
    async fn bench_for(&self, rule: Option<i64>) -> Result<Bench, AdminError> {
        let mut bench = self.bench().await?;
        if let Some(id) = rule {
            if !bench.rules.iter().any(|rule| rule.id == id) {
                return Err(AdminError::UnknownRule { id, list: "retention list" });
            }
            bench.rules.iter_mut().for_each(|rule| rule.is_rehearsed = rule.id == id);
        }
        Ok(bench)
    }

    async fn bytes_freed(&self, manifest_ids: &[i64]) -> Result<u64, AdminError> {
        Ok(if manifest_ids.is_empty() { 0 } else { self.metadata.bytes_freed(manifest_ids).await? })
    }
}

/// What was decided by this rule, or by any or none.
fn rows(examined: &Examined, rule: Option<i64>) -> Vec<Row> {
    let graph = &examined.stored.graph;
    let tags = graph.tags.iter().zip(&examined.judgement.tags).map(|(node, decision)| Row {
        tag: Some(node.tag.clone()),
        digest: graph.manifests[node.manifest].digest.clone(),
        pushed_at: node.pushed_at,
        pulled_at: node.pulled_at.max(graph.manifests[node.manifest].pulled_at),
        decision: decision.clone(),
    });
    let untagged = examined.judgement.untagged.iter().map(|(place, decision)| {
        let node = &graph.manifests[*place];
        Row {
            tag: None,
            digest: node.digest.clone(),
            pushed_at: node.pushed_at,
            pulled_at: node.pulled_at,
            decision: decision.clone(),
        }
    });
    tags.chain(untagged).filter(|row| rule.is_none() || row.decision.rule == rule).collect()
}
