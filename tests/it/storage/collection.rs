//! The contract of garbage collection: what nothing refers to goes, in the order of a cascade, and nothing else ever does.

use std::time::Duration;

use portcullis::domain::{Digest, TagProtection};
use portcullis::storage::blobs::BlobKey;
use portcullis::storage::metadata::{BlobRecord, Metadata, NewManifest, PutOutcome, Review, ReviewKind, Reviewed};

use super::content::{LEASE, at_once, blob, link, manifest, name, put, tag};
use super::subject::MetadataSubject;

metadata_contract! {
    an_image_that_lost_its_tag_goes_with_its_layers,
    what_a_tag_an_index_or_a_subject_refers_to_stays,
    a_deleted_index_takes_its_children_and_referrers_along,
    a_blob_that_was_pushed_and_never_used_goes_when_its_lease_ends,
    a_client_that_was_told_that_a_blob_is_there_finds_it_there,
    a_push_wins_over_a_removal_that_has_begun,
    a_blob_stays_for_as_long_as_any_repository_has_it,
    several_tags_move_away_from_one_manifest_at_once,
    two_collectors_never_review_the_same_entry,
    a_reference_that_is_dropped_during_a_review_is_reviewed_again,
    manifests_and_removals_wait_for_their_delays,
    freed_bytes_are_counted_once_they_are_confirmed,
    a_content_that_is_stored_is_linked_while_its_row_is_there,
    a_manifest_that_a_client_was_told_of_waits_longer,
}

const CLAIM: Duration = Duration::from_mins(1);
const NONE: Duration = Duration::ZERO;

/// Reviews all that is due, without delays; returns what was collected.
pub(super) async fn collect(store: &dyn Metadata) -> Vec<(ReviewKind, Digest)> {
    let forecast = store.forecast_collection(NONE).await.expect("read");
    let mut collected = Vec::new();
    loop {
        let mut reviewed = 0;
        for kind in ReviewKind::ALL {
            for review in claim(store, kind).await {
                reviewed += 1;
                let digest = review.digest.clone();
                if store.review(review).await.expect("reviewed") == Reviewed::Collected {
                    collected.push((kind, digest));
                }
            }
        }
        if reviewed == 0 {
            let count = |wanted| collected.iter().filter(|(kind, _)| *kind == wanted).count() as u64;
            let [manifests, links, _, blobs] = ReviewKind::ALL.map(count);
            assert_eq!((forecast.manifests, forecast.links, forecast.blobs), (manifests, links, blobs), "as forecast");
            return collected;
        }
    }
}

async fn claim(store: &dyn Metadata, kind: ReviewKind) -> Vec<Review> {
    store.claim_reviews(kind, NONE, CLAIM, 100).await.expect("claimed")
}

/// The keys of the contents that may be removed, each of which is forgotten.
pub(super) async fn doomed(store: &dyn Metadata) -> Vec<String> {
    let mut keys = Vec::new();
    for content in store.claim_doomed(CLAIM, 100).await.expect("claimed") {
        assert!(!store.is_in_use(&content).await.expect("read"));
        store.forget_doomed(std::slice::from_ref(&content), content.size).await.expect("forgotten");
        keys.push(content.key.0);
    }
    keys.sort();
    keys
}

pub(super) fn image(text: &str, blobs: &[&BlobRecord], tags: &[&str]) -> NewManifest {
    NewManifest { blobs: blobs.iter().map(|blob| blob.digest.clone()).collect(), ..manifest(text, tags) }
}

pub(super) async fn push(store: &dyn Metadata, repository: &str, manifest: NewManifest) -> Digest {
    let digest = manifest.digest.clone();
    assert_eq!(put(store, repository, manifest).await, PutOutcome::Stored);
    digest
}

pub(super) async fn has(store: &dyn Metadata, repository: &str, digest: &Digest) -> bool {
    store.manifest(&name(repository), digest).await.expect("read").is_some()
}

async fn has_blob(store: &dyn Metadata, repository: &str, blob: &BlobRecord) -> bool {
    store.blob(&name(repository), &blob.digest).await.expect("read").is_some()
}

async fn an_image_that_lost_its_tag_goes_with_its_layers(store: &MetadataSubject) {
    let (old, shared, new) = (blob(1, 10), blob(2, 20), blob(3, 30));
    for blob in [&old, &shared, &new] {
        link(&**store, "app", blob).await;
    }
    let first = push(&**store, "app", image("one", &[&old, &shared], &["latest"])).await;
    assert_eq!(collect(&**store).await, [], "a tag refers to it");
    let second = push(&**store, "app", image("two", &[&new, &shared], &["latest"])).await;
    assert_eq!(collect(&**store).await, [(ReviewKind::Manifest, first.clone())], "its layers are leased");
    assert!(!has(&**store, "app", &first).await && has(&**store, "app", &second).await);
    store.clock.advance(LEASE);
    let steps = [ReviewKind::Link, ReviewKind::Blob, ReviewKind::Removal].map(|kind| (kind, old.digest.clone()));
    assert_eq!(collect(&**store).await, steps);
    assert_eq!(doomed(&**store).await, [old.key.0.clone()]);
    assert!(!has_blob(&**store, "app", &old).await);
    assert!(has_blob(&**store, "app", &shared).await && has_blob(&**store, "app", &new).await);
}

async fn what_a_tag_an_index_or_a_subject_refers_to_stays(store: &MetadataSubject) {
    let child = push(&**store, "kept", manifest("child", &["once"])).await;
    let index = NewManifest { children: vec![child.clone()], ..manifest("index", &["latest"]) };
    let index = push(&**store, "kept", index).await;
    let signature = NewManifest { subject: Some(index.clone()), ..manifest("signature", &["sha256-x.sig"]) };
    let signature = push(&**store, "kept", signature).await;
    for lost in ["once", "sha256-x.sig"] {
        assert!(store.delete_tag(&name("kept"), &tag(lost), &at_once()).await.expect("deleted"));
    }
    assert_eq!(collect(&**store).await, []);
    for digest in [&child, &index, &signature] {
        assert!(has(&**store, "kept", digest).await);
    }
    // Pushed by digest alone, and never had a tag: no one has dropped it.
    let alone = push(&**store, "kept", manifest("alone", &[])).await;
    store.clock.advance(LEASE * 2);
    assert_eq!(collect(&**store).await, []);
    assert!(has(&**store, "kept", &alone).await);
}

async fn a_deleted_index_takes_its_children_and_referrers_along(store: &MetadataSubject) {
    let layer = blob(4, 10);
    link(&**store, "multi", &layer).await;
    let shared = push(&**store, "multi", image("shared", &[&layer], &[])).await;
    let only = push(&**store, "multi", image("only", &[&layer], &[])).await;
    let first = NewManifest { children: vec![shared.clone(), only.clone()], ..manifest("first", &["v1"]) };
    let first = push(&**store, "multi", first).await;
    let second = NewManifest { children: vec![shared.clone()], ..manifest("second", &["v2"]) };
    push(&**store, "multi", second).await;
    let signature = NewManifest { subject: Some(first.clone()), ..manifest("signature", &[]) };
    let signature = push(&**store, "multi", signature).await;
    let of_signature = NewManifest { subject: Some(signature.clone()), ..manifest("of signature", &[]) };
    let of_signature = push(&**store, "multi", of_signature).await;
    assert!(store.delete_manifest(&name("multi"), &first, &at_once()).await.expect("deleted"));
    let gone: Vec<Digest> = collect(&**store).await.into_iter().map(|(_, digest)| digest).collect();
    for digest in [&only, &signature, &of_signature] {
        assert!(gone.contains(digest) && !has(&**store, "multi", digest).await);
    }
    assert_eq!(gone.len(), 3);
    assert!(has(&**store, "multi", &shared).await, "the second index lists it");
    store.clock.advance(LEASE);
    assert_eq!(collect(&**store).await, []);
    assert!(has_blob(&**store, "multi", &layer).await);
}

async fn a_blob_that_was_pushed_and_never_used_goes_when_its_lease_ends(store: &MetadataSubject) {
    let unused = blob(5, 10);
    link(&**store, "leased", &unused).await;
    assert_eq!(collect(&**store).await, []);
    store.clock.advance(LEASE - Duration::from_secs(1));
    assert_eq!(collect(&**store).await, []);
    assert!(store.lease_blob(&name("leased"), &unused.digest, LEASE).await.expect("leased"), "by a HEAD");
    store.clock.advance(LEASE - Duration::from_secs(1));
    assert_eq!(collect(&**store).await, []);
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(collect(&**store).await.len(), 3);
    assert!(!store.lease_blob(&name("leased"), &unused.digest, LEASE).await.expect("answered"), "it is gone");
}

async fn a_client_that_was_told_that_a_blob_is_there_finds_it_there(store: &MetadataSubject) {
    let layer = blob(6, 10);
    link(&**store, "told", &layer).await;
    let old = push(&**store, "told", image("old", &[&layer], &["v1"])).await;
    store.clock.advance(LEASE * 3);
    assert!(store.delete_manifest(&name("told"), &old, &at_once()).await.expect("deleted"));
    // The client asks, skips the upload, and takes its time.
    assert!(store.lease_blob(&name("told"), &layer.digest, LEASE).await.expect("leased"));
    assert_eq!(collect(&**store).await, []);
    store.clock.advance(LEASE - Duration::from_secs(1));
    collect(&**store).await;
    push(&**store, "told", image("new", &[&layer], &["v2"])).await;
    store.clock.advance(LEASE * 2);
    assert_eq!(collect(&**store).await, []);
    assert!(has_blob(&**store, "told", &layer).await);
}

/// Reviews what is due up to the mark.
async fn mark(store: &dyn Metadata, layer: &BlobRecord) {
    for kind in [ReviewKind::Link, ReviewKind::Blob] {
        let [review] = claim(store, kind).await.try_into().expect("one entry");
        assert_eq!(review.digest, layer.digest);
        assert_eq!(store.review(review).await.expect("reviewed"), Reviewed::Collected);
    }
}

async fn a_push_wins_over_a_removal_that_has_begun(store: &MetadataSubject) {
    let layer = blob(7, 10);
    for (round, mounted) in [(1, false), (2, true)] {
        link(&**store, "again", &layer).await;
        store.clock.advance(LEASE);
        mark(&**store, &layer).await;
        if mounted {
            link(&**store, "other", &layer).await;
            assert!(store.mount_blob(&name("other"), &name("again"), &layer.digest, LEASE).await.expect("mounted"));
        } else {
            link(&**store, "again", &layer).await;
        }
        let [removal] = claim(&**store, ReviewKind::Removal).await.try_into().expect("one entry");
        assert_eq!(store.review(removal).await.expect("reviewed"), Reviewed::Kept, "round {round}");
        assert!(has_blob(&**store, "again", &layer).await);
        assert_eq!(doomed(&**store).await, Vec::<String>::new());
        store.unlink_blob(&name("again"), &layer.digest, &TagProtection::default()).await.expect("unlinked");
        store.clock.advance(LEASE);
        collect(&**store).await;
        doomed(&**store).await;
    }
    // After the row is gone the content may still be there: a push uses its name again.
    link(&**store, "again", &layer).await;
    store.clock.advance(LEASE);
    collect(&**store).await;
    let [content] = store.claim_doomed(CLAIM, 10).await.expect("claimed").try_into().expect("one");
    link(&**store, "again", &layer).await;
    assert!(store.is_in_use(&content).await.expect("read"));
}

async fn a_blob_stays_for_as_long_as_any_repository_has_it(store: &MetadataSubject) {
    let (shared, own) = (blob(8, 10), blob(9, 10));
    for (repository, blobs) in [("one", vec![&shared, &own]), ("two", vec![&shared])] {
        for blob in &blobs {
            link(&**store, repository, blob).await;
        }
        push(&**store, repository, image(repository, &blobs, &["latest"])).await;
    }
    store.clock.advance(LEASE);
    assert!(store.remove_repository(&name("one"), &at_once()).await.expect("removed"));
    let collected = collect(&**store).await;
    assert!(!collected.is_empty() && collected.iter().all(|(_, digest)| *digest == own.digest), "{collected:?}");
    assert_eq!(doomed(&**store).await, [own.key.0.clone()]);
    assert!(has_blob(&**store, "two", &shared).await);
    assert!(store.unlink_blob(&name("two"), &shared.digest, &TagProtection::default()).await.expect("unlinked"));
    assert_eq!(collect(&**store).await, [], "its manifest refers to it");
    push(&**store, "two", image("again", &[], &["other"])).await;
    assert!(store.remove_repository(&name("two"), &at_once()).await.expect("removed"));
    collect(&**store).await;
    assert_eq!(doomed(&**store).await, [shared.key.0.clone()]);
}

async fn several_tags_move_away_from_one_manifest_at_once(store: &MetadataSubject) {
    let old = push(&**store, "tags", manifest("old", &["1", "1.2", "1.2.3"])).await;
    push(&**store, "tags", manifest("new", &["1", "1.2"])).await;
    assert_eq!(collect(&**store).await, [], "one tag is left");
    push(&**store, "tags", manifest("newest", &["1", "1.2.3"])).await;
    assert_eq!(collect(&**store).await, [(ReviewKind::Manifest, old)]);
}

async fn two_collectors_never_review_the_same_entry(store: &MetadataSubject) {
    const COUNT: usize = 60;
    let other = store.other().await;
    for number in 0..COUNT {
        let text = format!("image {number}");
        push(&**store, "many", manifest(&text, &["latest"])).await;
    }
    let claims = async |store: &dyn Metadata| {
        let mut claimed = Vec::new();
        loop {
            let batch = store.claim_reviews(ReviewKind::Manifest, NONE, CLAIM, 7).await.expect("claimed");
            if batch.is_empty() {
                return claimed;
            }
            claimed.extend(batch.into_iter().map(|review| review.digest.to_string()));
        }
    };
    let (mut one, two) = tokio::join!(claims(&**store), claims(&*other));
    one.extend(two);
    one.sort();
    one.dedup();
    assert_eq!(one.len(), COUNT - 1);
    store.clock.advance(CLAIM);
    assert_eq!(collect(&*other).await.len(), COUNT - 1, "whoever claimed them is gone");
}

async fn a_reference_that_is_dropped_during_a_review_is_reviewed_again(store: &MetadataSubject) {
    let kept = push(&**store, "during", manifest("kept", &["a", "b"])).await;
    store.delete_tag(&name("during"), &tag("a"), &at_once()).await.expect("deleted");
    let [review] = claim(&**store, ReviewKind::Manifest).await.try_into().expect("one entry");
    let stale = Review { changes: review.changes - 1, ..review.clone() };
    // Another tag goes after the entry was claimed.
    assert_eq!(store.review(stale).await.expect("reviewed"), Reviewed::Kept);
    store.delete_tag(&name("during"), &tag("b"), &at_once()).await.expect("deleted");
    assert_eq!(collect(&**store).await, [(ReviewKind::Manifest, kept)], "the entry was not ended");
}

async fn manifests_and_removals_wait_for_their_delays(store: &MetadataSubject) {
    let delay = Duration::from_hours(1);
    let due = async |kind| store.claim_reviews(kind, delay, CLAIM, 10).await.expect("claimed").len();
    let first = push(&**store, "delayed", manifest("first", &["v1"])).await;
    store.delete_tag(&name("delayed"), &tag("v1"), &at_once()).await.expect("deleted");
    assert_eq!(due(ReviewKind::Manifest).await, 0);
    store.clock.advance(delay / 2);
    // Pushed again by digest: an index that lists it may come.
    push(&**store, "delayed", manifest("first", &[])).await;
    store.clock.advance(delay);
    assert_eq!(due(ReviewKind::Manifest).await, 0);
    store.clock.advance(LEASE);
    assert_eq!(due(ReviewKind::Manifest).await, 1);
    assert!(has(&**store, "delayed", &first).await);
}

async fn freed_bytes_are_counted_once_they_are_confirmed(store: &MetadataSubject) {
    let layer = blob(12, 42);
    link(&**store, "freed", &layer).await;
    assert_eq!(store.collection_status().await.expect("read").waiting, [0, 1, 0, 0]);
    store.clock.advance(LEASE);
    collect(&**store).await;
    let status = store.collection_status().await.expect("read");
    assert_eq!((status.waiting, status.doomed, status.freed_bytes), ([0; 4], (1, 42), 0));
    let [content] = store.claim_doomed(CLAIM, 10).await.expect("claimed").try_into().expect("one");
    assert_eq!(store.claim_doomed(CLAIM, 10).await.expect("claimed"), [], "someone is at it");
    for _ in 0..2 {
        store.forget_doomed(std::slice::from_ref(&content), content.size).await.expect("forgotten, or already");
    }
    let status = store.collection_status().await.expect("read");
    assert_eq!((status.doomed, status.collected, status.freed_bytes), ((0, 0), [0, 1, 1], 42));
}

/// A node has read where a content is stored, and another one collects it before the first has linked it.
async fn a_content_that_is_stored_is_linked_while_its_row_is_there(store: &MetadataSubject) {
    let layer = blob(13, 10);
    link(&**store, "first", &layer).await;
    let known = store.stored_blob(&layer.digest).await.expect("read").expect("stored");
    assert!(store.link_known_blob(&name("second"), known.clone(), None, LEASE).await.expect("linked"));
    assert!(has_blob(&**store, "second", &layer).await);
    store.clock.advance(LEASE);
    mark_all(&**store).await;
    assert!(store.link_known_blob(&name("second"), known.clone(), None, LEASE).await.expect("linked"), "only marked");
    assert_eq!(collect(&**store).await, []);
    store.clock.advance(LEASE);
    collect(&**store).await;
    let moved = BlobRecord { key: BlobKey("u/elsewhere".to_owned()), ..known.clone() };
    for gone in [&known, &moved] {
        assert!(!store.link_known_blob(&name("third"), gone.clone(), None, LEASE).await.expect("answered"));
    }
    assert!(
        !has_blob(&**store, "third", &layer).await && !store.repository_exists(&name("third")).await.expect("read")
    );
    assert_eq!(doomed(&**store).await, [layer.key.0.clone()]);
}

/// Reviews what is due up to the marks.
async fn mark_all(store: &dyn Metadata) {
    for kind in [ReviewKind::Link, ReviewKind::Blob] {
        for review in claim(store, kind).await {
            assert_eq!(store.review(review).await.expect("reviewed"), Reviewed::Collected);
        }
    }
}

async fn a_manifest_that_a_client_was_told_of_waits_longer(store: &MetadataSubject) {
    let ask = async |digest: &Digest| store.postpone_review(&name("asked"), digest, LEASE).await.expect("answered");
    let child = push(&**store, "asked", manifest("child", &["v1"])).await;
    assert!(ask(&child).await, "nothing waits");
    store.delete_tag(&name("asked"), &tag("v1"), &at_once()).await.expect("deleted");
    let [claimed] = claim(&**store, ReviewKind::Manifest).await.try_into().expect("one entry");
    // It is about to be deleted when a client asks for it.
    assert!(ask(&child).await);
    assert_eq!(store.review(claimed).await.expect("reviewed"), Reviewed::Kept);
    store.clock.advance(LEASE - Duration::from_secs(1));
    assert_eq!(collect(&**store).await, []);
    let index = NewManifest { children: vec![child.clone()], ..manifest("index", &["v2"]) };
    push(&**store, "asked", index).await;
    store.clock.advance(LEASE * 2);
    assert_eq!(collect(&**store).await, []);
    assert!(has(&**store, "asked", &child).await);
    store.delete_tag(&name("asked"), &tag("v2"), &at_once()).await.expect("deleted");
    assert_eq!(collect(&**store).await.len(), 2);
    assert!(ask(&child).await, "nothing waits, and nothing is there");
}
