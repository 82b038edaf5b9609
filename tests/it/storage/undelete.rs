//! A thousand random deletions, all of them undone: whatever was deleted in whatever order, with the collector at work all the time, comes
//! back bit for bit; and what is not restored leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis::domain::{Clock, Digest};
use portcullis::storage::blobs::{self, BlobStore};
use portcullis::storage::metadata::{
    BlobRecord, Cause, Change, NewManifest, PageLimit, RemovalOutcome, RestoreOutcome,
};

use super::collection::{collect, push};
use super::content::{LEASE, content, deletion, drain, link, manifest, name, tag};
use super::subject::MetadataSubject;

metadata_contract! {
    a_thousand_deletions_are_undone,
}

const DELETIONS: usize = 1000;
const KEEP: Duration = Duration::from_hours(14 * 24);
const REPOSITORIES: u64 = 5;
const IMAGES: u64 = 6;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("small")).expect("small")
    }
}

struct World<'s> {
    store: &'s MetadataSubject,
    blobs: Arc<dyn BlobStore>,
    /// By repository, every manifest that was pushed, and every layer.
    manifests: BTreeMap<String, Vec<Digest>>,
    layers: BTreeMap<String, BTreeSet<Digest>>,
    _folder: tempfile::TempDir,
}

/// What can be read of a repository: what tags point to, the bytes of manifests and layers, and who refers to whom.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    tags: BTreeMap<String, Digest>,
    manifests: BTreeMap<String, Vec<u8>>,
    layers: BTreeMap<String, Vec<u8>>,
    referrers: BTreeMap<String, BTreeSet<String>>,
}

impl World<'_> {
    async fn layer(&self, repository: &str, seed: u64) -> BlobRecord {
        let bytes = content(64, seed);
        let (digest, key) = super::content::push(&*self.blobs, &bytes).await.expect("published");
        let blob = BlobRecord { digest, size: 64, key };
        link(&**self.store, repository, &blob).await;
        blob
    }

    /// Images that share layers with each other and with other repositories, an index of two of them, a signature of that.
    async fn fill(&mut self) {
        for repository in 0..REPOSITORIES {
            let place = format!("team/app{repository}");
            let mut images = Vec::new();
            for number in 0..IMAGES {
                let text = format!("{place} {number}");
                let layers =
                    [self.layer(&place, number / 2).await, self.layer(&place, repository * 100 + number).await];
                let blobs: Vec<Digest> = layers.iter().map(|layer| layer.digest.clone()).collect();
                self.layers.entry(place.clone()).or_default().extend(blobs.iter().cloned());
                let (version, twin) = (format!("v{number}"), format!("twin{}", number / 2));
                let tags: &[&str] = if number == 0 { &[] } else { &[&version, &twin] };
                images.push(push(&**self.store, &place, NewManifest { blobs, ..manifest(&text, tags) }).await);
            }
            let children = vec![images[0].clone(), images[1].clone()];
            let index = NewManifest { children, ..manifest(&format!("index of {place}"), &["latest"]) };
            let index = push(&**self.store, &place, index).await;
            let signature = NewManifest { subject: Some(index.clone()), ..manifest(&format!("of {place}"), &[]) };
            images.extend([push(&**self.store, &place, signature).await, index]);
            self.manifests.insert(place, images);
        }
    }

    async fn see(&self) -> BTreeMap<String, Option<Seen>> {
        let mut all = BTreeMap::new();
        for (place, digests) in &self.manifests {
            all.insert(place.clone(), self.see_repository(place, digests).await);
        }
        all
    }

    async fn see_repository(&self, place: &str, digests: &[Digest]) -> Option<Seen> {
        let repository = name(place);
        let tags = self.store.tags(&repository, None, 100).await.expect("read")?;
        let tags = tags.into_iter().map(|found| (found.tag.to_string(), found.digest)).collect();
        let mut seen = Seen { tags, manifests: BTreeMap::new(), layers: BTreeMap::new(), referrers: BTreeMap::new() };
        for digest in digests {
            if let Some(found) = self.store.manifest(&repository, digest).await.expect("read") {
                seen.manifests.insert(digest.to_string(), found.content.to_vec());
            }
            let limit = PageLimit { entries: 10, bytes: 100_000 };
            let found = self.store.referrers(&repository, digest, None, None, limit).await.expect("read");
            let found = found.entries.iter().map(|entry| entry.digest.to_string()).collect();
            seen.referrers.insert(digest.to_string(), found);
        }
        for digest in &self.layers[place] {
            if let Some(found) = self.store.blob(&repository, digest).await.expect("read") {
                let stream = self.blobs.read(&found.blob.key, 0..found.blob.size).await.expect("it is there");
                seen.layers.insert(digest.to_string(), drain(stream).await.expect("read"));
            }
        }
        Some(seen)
    }

    /// Deletes something at random; `false` where that is not there.
    async fn delete(&self, numbers: &mut Numbers) -> bool {
        let places: Vec<&String> = self.manifests.keys().collect();
        let place = places[numbers.below(places.len())];
        let (repository, change) = (name(place), deletion(KEEP));
        match numbers.below(20) {
            0 => self.store.remove_repository(&repository, &change).await.expect("removed"),
            1..8 => {
                let digest = &self.manifests[place][numbers.below(self.manifests[place].len())];
                self.store.delete_manifest(&repository, digest, &change).await.expect("deleted")
            }
            _ => {
                let tags = self.store.tags(&repository, None, 100).await.expect("read").unwrap_or_default();
                if tags.is_empty() {
                    return false;
                }
                let tag = &tags[numbers.below(tags.len())].tag;
                self.store.delete_tag(&repository, tag, &change).await.expect("deleted")
            }
        }
    }

    /// All that the collector would do now, and more: without its delays.
    async fn collect(&self) {
        for id in self.store.due_trash(100).await.expect("read") {
            assert_eq!(self.store.remove_trash(id).await.expect("removed"), RemovalOutcome::Removed);
        }
        collect(&**self.store).await;
        for content in self.store.claim_doomed(Duration::from_mins(1), 1000).await.expect("claimed") {
            if !self.store.is_in_use(&content).await.expect("read") {
                self.blobs.remove(&content.key).await.expect("removed");
            }
            self.store.forget_doomed(std::slice::from_ref(&content), content.size).await.expect("forgotten");
        }
    }

    /// Restores everything that is in the trash, in any order.
    async fn restore(&self, numbers: &mut Numbers) {
        let change = Change { by: "operator:root".to_owned(), cause: Cause::Restore, ..deletion(KEEP) };
        loop {
            let entries = self.store.trash(0, 1000).await.expect("read");
            if entries.is_empty() {
                return;
            }
            let entry = &entries[numbers.below(entries.len())];
            let id = match self.store.restore(entry.id, &change).await.expect("done") {
                RestoreOutcome::RepositoryInTrash(_, other) => other,
                RestoreOutcome::Restored { left_out, .. } if left_out.is_empty() => continue,
                other => panic!("{other:?}"),
            };
            let outcome = self.store.restore(id, &change).await.expect("done");
            assert!(matches!(outcome, RestoreOutcome::Restored { .. }), "{outcome:?}");
        }
    }
}

async fn a_thousand_deletions_are_undone(store: &MetadataSubject) {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = blobs::disk::open(folder.path(), 0, Clock::system()).expect("opens");
    let mut world = World { store, blobs, manifests: BTreeMap::new(), layers: BTreeMap::new(), _folder: folder };
    world.fill().await;
    let (before, mut numbers, mut deleted) = (world.see().await, Numbers(0x9e37_79b9_7f4a_7c15), 0);
    while deleted < DELETIONS {
        for _ in 0..4 {
            for _ in 0..8 {
                deleted += usize::from(world.delete(&mut numbers).await);
            }
            // Longer than any lease, and less than the trash keeps.
            store.clock.advance(LEASE + Duration::from_hours(1));
            world.collect().await;
        }
        world.restore(&mut numbers).await;
        assert!(world.see().await == before, "after {deleted} deletions");
    }
    nothing_is_left(&world, store).await;
}

/// What is deleted and never restored leaves no row and no content.
async fn nothing_is_left(world: &World<'_>, store: &MetadataSubject) {
    for place in world.manifests.keys() {
        store.delete_tag(&name(place), &tag("latest"), &deletion(KEEP)).await.expect("deleted");
        assert!(store.remove_repository(&name(place), &deletion(KEEP)).await.expect("removed"));
    }
    store.clock.advance(KEEP);
    world.collect().await;
    world.collect().await;
    assert_eq!(store.trash(0, 10).await.expect("read"), []);
    let status = store.collection_status().await.expect("read");
    assert_eq!((status.waiting, status.doomed), ([0; 4], (0, 0)));
    assert_eq!(world.blobs.contents(None).await.expect("listed").len(), 0);
}
