//! What the collector removes once tags and untagged manifests are gone: a manifest that has lost its last tag, index and subject goes, and
//! leaves what it listed, and what refers to it, to the same question.

use super::graph::RepositoryGraph;
use super::judge::Decision;
use super::links::Links;

struct Collection<'g> {
    graph: &'g RepositoryGraph,
    links: &'g Links,
    is_lost: Vec<bool>,
    /// How many kept tags point to it, and how many indexes that are there list it.
    kept_by: Vec<usize>,
    waiting: Vec<usize>,
}

/// The manifests that go with what is removed, in order.
pub(super) fn lost(
    graph: &RepositoryGraph,
    links: &Links,
    tags: &[Decision],
    untagged: &[(usize, Decision)],
) -> Vec<usize> {
    let count = graph.manifests.len();
    let mut collection =
        Collection { graph, links, is_lost: vec![false; count], kept_by: vec![0; count], waiting: Vec::new() };
    for manifest in &graph.manifests {
        manifest.children.iter().for_each(|child| collection.kept_by[*child] += 1);
    }
    for (node, decision) in graph.tags.iter().zip(tags) {
        if decision.is_kept {
            collection.kept_by[node.manifest] += 1;
        } else {
            collection.waiting.push(node.manifest);
        }
    }
    for (manifest, _) in untagged.iter().filter(|(_, decision)| !decision.is_kept) {
        collection.lose(*manifest);
    }
    collection.review();
    let lost = collection.is_lost.into_iter().enumerate();
    lost.filter_map(|(manifest, is_lost)| is_lost.then_some(manifest)).collect()
}

impl Collection<'_> {
    fn review(&mut self) {
        while let Some(manifest) = self.waiting.pop() {
            let is_attached = self.graph.manifests[manifest].subject.is_some_and(|subject| !self.is_lost[subject]);
            if !self.is_lost[manifest] && self.kept_by[manifest] == 0 && !is_attached {
                self.lose(manifest);
            }
        }
    }

    fn lose(&mut self, manifest: usize) {
        self.is_lost[manifest] = true;
        for &child in &self.graph.manifests[manifest].children {
            self.kept_by[child] -= 1;
            self.waiting.push(child);
        }
        self.waiting.extend(&self.links.referrers[manifest]);
    }
}
