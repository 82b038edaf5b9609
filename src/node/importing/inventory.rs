//! What a source has, as far as it can be kept, and what cannot, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Digest, MediaType, RepositoryName, Tag};

/// How many things that cannot be kept are named.
const NAMED: usize = 1000;

/// Everything that a source has.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) repositories: Vec<SourceRepository>,
    /// Those that manifests need: each once, however many repositories have it.
    pub(super) contents: BTreeMap<Digest, SourceContent>,
    pub(super) losses: Losses,
}

/// A content of the source.
#[derive(Clone, Debug)]
pub(super) struct SourceContent {
    /// Where it is in the source.
    pub(super) file: String,
    pub(super) size: u64,
}

/// A repository of the source.
pub(super) struct SourceRepository {
    pub(super) name: RepositoryName,
    pub(super) manifests: BTreeMap<Digest, SourceManifest>,
    pub(super) tags: Vec<SourceTag>,
    /// The contents that its manifests need.
    pub(super) contents: BTreeSet<Digest>,
}

/// A manifest of the source that can be kept.
#[derive(Clone, Debug)]
pub(super) struct SourceManifest {
    /// Where its bytes are in the source.
    pub(super) file: String,
    pub(super) media_type: MediaType,
    pub(super) pushed_at: i64,
    /// Manifests of the same repository that it lists.
    pub(super) children: Vec<Digest>,
    /// The contents that it needs.
    pub(super) blobs: Vec<Digest>,
}

/// A tag of the source.
#[derive(Clone, Debug)]
pub(super) struct SourceTag {
    pub(super) tag: Tag,
    pub(super) digest: Digest,
    pub(super) moved_at: i64,
}

/// Something that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// A repository with a tag or digest, or a repository alone.
    pub(crate) what: String,
    /// Why, in words for the operator.
    pub(crate) why: String,
}

/// All of these: counted, and the first ones named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    pub(crate) count: u64,
    pub(crate) named: Vec<Loss>,
}

impl Losses {
    pub(super) fn add(&mut self, what: String, why: String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(Loss { what, why });
        }
    }
}

impl Inventory {
    /// How many bytes the contents have.
    pub(super) fn bytes(&self) -> u64 {
        self.contents.values().map(|content| content.size).sum()
    }
}

impl SourceRepository {
    /// The manifests in an order in which each comes after those that it lists: one list after another, each of manifests that do not
    /// depend on each other.
    pub(super) fn in_order(&self) -> Vec<Vec<&Digest>> {
        let mut waiting: BTreeMap<&Digest, usize> = BTreeMap::new();
        let mut parents: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
        for (digest, manifest) in &self.manifests {
            let children: BTreeSet<&Digest> =
                manifest.children.iter().filter(|child| self.manifests.contains_key(child)).collect();
            waiting.insert(digest, children.len());
            for child in children {
                parents.entry(child).or_default().push(digest);
            }
        }
        let mut wave: Vec<&Digest> =
            waiting.iter().filter(|(_, left)| **left == 0).map(|(digest, _)| *digest).collect();
        let mut waves = Vec::new();
        while !wave.is_empty() {
            let mut next = Vec::new();
            for parent in wave.iter().filter_map(|digest| parents.get(digest)).flatten() {
                if let Some(left) = waiting.get_mut(parent) {
                    *left -= 1;
                    if *left == 0 {
                        next.push(*parent);
                    }
                }
            }
            waves.push(std::mem::replace(&mut wave, next));
        }
        waves
    }
}
