//! What follows from a repository's graph: who refers to what in the other direction.

use std::collections::HashMap;

use super::graph::{Attached, RepositoryGraph};

/// The graph, seen from the other ends. Lists are by the places of tags and manifests.
pub(super) struct Links {
    /// Whether an index lists the manifest.
    pub(super) is_listed: Vec<bool>,
    /// Whether a tag points to it.
    pub(super) is_tagged: Vec<bool>,
    /// The manifests that refer to it as their subject.
    pub(super) referrers: Vec<Vec<usize>>,
    /// Whether it has a signature.
    pub(super) is_signed: Vec<bool>,
    /// Of each tag that belongs to another manifest, that one.
    pub(super) subjects: Vec<Option<TagSubject>>,
    /// The tags that belong to it.
    pub(super) followers: Vec<Vec<usize>>,
}

/// The manifest that a tag belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct TagSubject {
    pub(super) manifest: usize,
    /// Whether the tag's name says so: then it has no life of its own.
    pub(super) by_name: bool,
}

impl Links {
    pub(super) fn of(graph: &RepositoryGraph) -> Self {
        let count = graph.manifests.len();
        let mut links = Self {
            is_listed: vec![false; count],
            is_tagged: vec![false; count],
            referrers: vec![Vec::new(); count],
            is_signed: vec![false; count],
            subjects: Vec::with_capacity(graph.tags.len()),
            followers: vec![Vec::new(); count],
        };
        for (place, manifest) in graph.manifests.iter().enumerate() {
            manifest.children.iter().for_each(|child| links.is_listed[*child] = true);
            if let Some(subject) = manifest.subject {
                links.referrers[subject].push(place);
                links.is_signed[subject] |= manifest.is_signature;
            }
        }
        links.add_tags(graph);
        links
    }

    fn add_tags(&mut self, graph: &RepositoryGraph) {
        let named = by_digest(graph);
        for (place, tag) in graph.tags.iter().enumerate() {
            self.is_tagged[tag.manifest] = true;
            let attached = Attached::of(&tag.tag);
            let by_name = attached.and_then(|attached| named.get(attached.subject));
            if let (Some(subject), Some(attached)) = (by_name, attached) {
                self.is_signed[*subject] |= attached.is_signature;
            }
            let subject = match (by_name, graph.manifests[tag.manifest].subject) {
                (Some(manifest), _) => Some(TagSubject { manifest: *manifest, by_name: true }),
                (None, subject) => subject.map(|manifest| TagSubject { manifest, by_name: false }),
            };
            if let Some(subject) = subject {
                self.followers[subject.manifest].push(place);
            }
            self.subjects.push(subject);
        }
    }

    /// Whether nothing refers to a manifest, nor does it belong to another one.
    pub(super) fn is_untagged(&self, graph: &RepositoryGraph, manifest: usize) -> bool {
        !self.is_tagged[manifest] && !self.is_listed[manifest] && graph.manifests[manifest].subject.is_none()
    }
}

/// The manifests that tags belong to by their names.
fn by_digest(graph: &RepositoryGraph) -> HashMap<String, usize> {
    if !graph.tags.iter().any(|tag| Attached::of(&tag.tag).is_some()) {
        return HashMap::new();
    }
    let named = |(place, manifest): (usize, &super::ManifestNode)| (manifest.digest.as_str().replace(':', "-"), place);
    graph.manifests.iter().enumerate().map(named).collect()
}

/// When each manifest was last pulled, itself or through anything that it lists: a pull of one platform is a pull of the image.
pub(super) fn pull_times(graph: &RepositoryGraph) -> Vec<Option<i64>> {
    let mut times: Vec<Option<i64>> = graph.manifests.iter().map(|manifest| manifest.pulled_at).collect();
    let mut is_known = vec![false; times.len()];
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in 0..times.len() {
        if !std::mem::replace(&mut is_known[start], true) {
            stack.push((start, 0));
        }
        while let Some((manifest, next)) = stack.pop() {
            let Some(&child) = graph.manifests[manifest].children.get(next) else {
                if let Some((parent, _)) = stack.last() {
                    times[*parent] = times[*parent].max(times[manifest]);
                }
                continue;
            };
            stack.push((manifest, next + 1));
            if std::mem::replace(&mut is_known[child], true) {
                times[manifest] = times[manifest].max(times[child]);
            } else {
                stack.push((child, 0));
            }
        }
    }
    times
}
