//! The contract of quotas: every content counts once, nothing is ever admitted beyond the limit, and what is counted later is counted right
//! while writes continue.

use std::sync::Arc;

use portcullis::domain::{Digest, Glob, OverQuota};
use portcullis::storage::StorageError;
use portcullis::storage::metadata::{BlobRecord, Metadata, NewManifest, PutOutcome, QuotaRecord, QuotaState};

use super::content::{LEASE, at_once, blob, change, deletion, link, manifest, name, put};
use super::subject::MetadataSubject;

metadata_contract! {
    a_content_counts_once_and_until_its_last_manifest_is_gone,
    what_does_not_fit_is_refused_whole,
    a_manifest_that_is_there_already_is_not_charged_again,
    every_quota_that_covers_a_repository_counts_it,
    a_quota_counts_what_is_there_already,
    pushes_and_deletes_during_the_count_are_counted,
    a_count_continues_within_a_large_repository,
    a_removed_quota_is_forgotten,
    a_changed_limit_holds_at_once,
    parallel_pushes_never_exceed_the_limit,
    a_second_count_finds_what_the_first_one_missed,
    a_blob_that_an_index_waited_for_is_charged,
    what_is_in_the_trash_is_charged_when_it_comes_back,
    sizes_count_what_is_shared_once,
}

fn on(pattern: &str) -> Glob {
    pattern.parse().expect("a pattern")
}

async fn set(store: &dyn Metadata, pattern: &str, limit: u64) {
    store.set_quota(&on(pattern), limit).await.expect("set");
    count(store).await;
}

async fn count(store: &dyn Metadata) {
    while store.count_quotas().await.expect("counted").is_some() {}
}

async fn quota(store: &dyn Metadata, pattern: &str) -> QuotaRecord {
    let quotas = store.quotas().await.expect("read");
    quotas.into_iter().find(|quota| quota.on == on(pattern)).expect("a quota")
}

async fn used(store: &dyn Metadata, pattern: &str) -> u64 {
    quota(store, pattern).await.used
}

/// A manifest of ten bytes and these blobs, which are linked first.
async fn image(store: &dyn Metadata, repository: &str, text: &str, blobs: &[&BlobRecord]) -> NewManifest {
    for blob in blobs {
        link(store, repository, blob).await;
    }
    let digests = blobs.iter().map(|blob| blob.digest.clone()).collect();
    NewManifest { blobs: digests, ..manifest(&format!("{text:10}"), &["latest"]) }
}

async fn push(store: &dyn Metadata, repository: &str, text: &str, blobs: &[&BlobRecord]) -> Digest {
    let image = image(store, repository, text, blobs).await;
    let digest = image.digest.clone();
    assert_eq!(put(store, repository, image).await, PutOutcome::Stored);
    digest
}

async fn refused(store: &dyn Metadata, repository: &str, text: &str, blobs: &[&BlobRecord]) -> OverQuota {
    let image = image(store, repository, text, blobs).await;
    match store.put_manifest(&name(repository), image, LEASE, &change()).await {
        Err(StorageError::OverQuota(over)) => *over,
        other => panic!("{other:?}"),
    }
}

async fn delete(store: &dyn Metadata, repository: &str, digest: &Digest) {
    assert!(store.delete_manifest(&name(repository), digest, &at_once()).await.expect("deleted"));
}

async fn a_content_counts_once_and_until_its_last_manifest_is_gone(store: &MetadataSubject) {
    set(&**store, "team/**", 1000).await;
    let (base, own) = (blob(1, 100), blob(2, 30));
    let first = push(&**store, "team/a", "first", &[&base, &own]).await;
    assert_eq!(used(&**store, "team/**").await, 140);
    let second = push(&**store, "team/b", "second", &[&base]).await;
    assert_eq!(used(&**store, "team/**").await, 150, "the base counts once");
    push(&**store, "team/b", "first", &[&base, &own]).await;
    assert_eq!(used(&**store, "team/**").await, 150, "so does the manifest in another repository");
    push(&**store, "other/a", "third", &[&blob(3, 500)]).await;
    assert_eq!(used(&**store, "team/**").await, 150, "the pattern does not cover it");
    delete(&**store, "team/a", &first).await;
    assert_eq!(used(&**store, "team/**").await, 150);
    delete(&**store, "team/b", &first).await;
    assert_eq!(used(&**store, "team/**").await, 110);
    delete(&**store, "team/b", &second).await;
    assert_eq!(used(&**store, "team/**").await, 0);
}

async fn what_does_not_fit_is_refused_whole(store: &MetadataSubject) {
    set(&**store, "team/**", 200).await;
    let base = blob(1, 100);
    push(&**store, "team/a", "first", &[&base]).await;
    let over = refused(&**store, "team/b", "second", &[&base, &blob(2, 81)]).await;
    assert_eq!(over, OverQuota { on: on("team/**"), limit: 200, used: 110, needed: 91 });
    assert_eq!(used(&**store, "team/**").await, 110);
    assert!(store.manifest_by_tag(&name("team/b"), &"latest".parse().expect("a tag")).await.expect("read").is_none());
    push(&**store, "team/b", "second", &[&base, &blob(3, 80)]).await;
    assert_eq!(used(&**store, "team/**").await, 200, "to the last byte");
    assert_eq!(refused(&**store, "team/c", "third", &[]).await.needed, 10);
    assert!(store.remove_repository(&name("team/b"), &at_once()).await.expect("removed"));
    assert_eq!(used(&**store, "team/**").await, 110);
    push(&**store, "team/c", "third", &[&blob(4, 80)]).await;
}

async fn a_manifest_that_is_there_already_is_not_charged_again(store: &MetadataSubject) {
    set(&**store, "team/**", 110).await;
    let layer = blob(1, 100);
    let digest = push(&**store, "team/a", "image", &[&layer]).await;
    for _ in 0..3 {
        push(&**store, "team/a", "image", &[&layer]).await;
    }
    assert_eq!(used(&**store, "team/**").await, 110);
    delete(&**store, "team/a", &digest).await;
    assert_eq!(used(&**store, "team/**").await, 0);
}

async fn every_quota_that_covers_a_repository_counts_it(store: &MetadataSubject) {
    set(&**store, "**", 1000).await;
    let before = used(&**store, "**").await;
    set(&**store, "team/**", 500).await;
    set(&**store, "team/small", 100).await;
    push(&**store, "team/small", "one", &[&blob(1, 60)]).await;
    push(&**store, "team/large", "two", &[&blob(1, 60), &blob(2, 300)]).await;
    push(&**store, "app", "three", &[]).await;
    for (pattern, expected) in [("**", before + 390), ("team/**", 380), ("team/small", 70)] {
        assert_eq!(used(&**store, pattern).await, expected, "{pattern}");
    }
    let over = refused(&**store, "team/small", "four", &[&blob(2, 300)]).await;
    assert_eq!((over.on, over.needed), (on("team/small"), 310), "new to this one alone");
    for (pattern, expected) in [("**", before + 390), ("team/**", 380), ("team/small", 70)] {
        assert_eq!(used(&**store, pattern).await, expected, "{pattern}: a refusal charges none");
    }
}

async fn a_quota_counts_what_is_there_already(store: &MetadataSubject) {
    let base = blob(1, 100);
    for number in 0..120_u32 {
        push(&**store, &format!("team/r{number:03}"), &format!("m{number}"), &[&base]).await;
    }
    push(&**store, "other", "x", &[&base]).await;
    store.set_quota(&on("team/**"), 1000).await.expect("set");
    assert_eq!(quota(&**store, "team/**").await.state, QuotaState::Counting);
    count(&**store).await;
    let counted = quota(&**store, "team/**").await;
    assert_eq!(
        (counted.used, counted.state),
        (1300, QuotaState::Counted),
        "what is there is counted even beyond the limit"
    );
    assert_eq!(refused(&**store, "team/new", "n", &[]).await.used, 1300);
    for number in 0..31_u32 {
        assert!(store.remove_repository(&name(&format!("team/r{number:03}")), &at_once()).await.expect("removed"));
    }
    push(&**store, "team/new", "n", &[]).await;
    assert_eq!(used(&**store, "team/**").await, 1000);
}

async fn pushes_and_deletes_during_the_count_are_counted(store: &MetadataSubject) {
    let mut digests = Vec::new();
    for number in 0..150_u32 {
        digests.push(push(&**store, &format!("team/r{number:03}"), &format!("m{number}"), &[]).await);
    }
    store.set_quota(&on("team/**"), 1_000_000).await.expect("set");
    assert!(store.count_quotas().await.expect("counted").is_some_and(|step| step.walked_to.is_some()));
    assert_eq!(used(&**store, "team/**").await, 1000, "the first hundred repositories");
    for repository in ["team/r000", "team/r149", "team/new"] {
        push(&**store, repository, "pushed", &[&blob(1, 50)]).await;
    }
    delete(&**store, "team/r001", &digests[1]).await;
    delete(&**store, "team/r148", &digests[148]).await;
    count(&**store).await;
    assert_eq!(used(&**store, "team/**").await, 148 * 10 + 60);
}

async fn a_count_continues_within_a_large_repository(store: &MetadataSubject) {
    let mut digests = Vec::new();
    for number in 0..1100_u32 {
        let manifest = manifest(&format!("{number:10}"), &[]);
        digests.push(manifest.digest.clone());
        assert_eq!(put(&**store, "team/large", manifest).await, PutOutcome::Stored);
    }
    push(&**store, "team/after", "x", &[]).await;
    push(&**store, "team/zero", "x", &[]).await;
    digests.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    store.set_quota(&on("team/**"), 1_000_000).await.expect("set");
    store.count_quotas().await.expect("counted");
    assert_eq!(used(&**store, "team/**").await, 10_000);
    delete(&**store, "team/large", &digests[0]).await;
    delete(&**store, "team/large", &digests[1099]).await;
    assert_eq!(used(&**store, "team/**").await, 9_990, "the last one is not counted yet");
    count(&**store).await;
    assert_eq!(used(&**store, "team/**").await, 10 * 1099);
}

async fn a_removed_quota_is_forgotten(store: &MetadataSubject) {
    set(&**store, "team/**", 100).await;
    push(&**store, "team/a", "image", &[&blob(1, 90)]).await;
    assert!(store.remove_quota(&on("team/**")).await.expect("removed"));
    assert!(!store.remove_quota(&on("team/**")).await.expect("answered"));
    assert_eq!(store.quotas().await.expect("read"), []);
    push(&**store, "team/a", "more", &[&blob(2, 500)]).await;
    count(&**store).await;
    set(&**store, "team/**", 1000).await;
    assert_eq!(used(&**store, "team/**").await, 610, "a new quota counts from the beginning");
}

async fn a_changed_limit_holds_at_once(store: &MetadataSubject) {
    set(&**store, "team/**", 100).await;
    push(&**store, "team/a", "image", &[&blob(1, 90)]).await;
    set(&**store, "team/**", 50).await;
    let over = refused(&**store, "team/b", "other", &[]).await;
    assert_eq!((over.limit, over.used), (50, 100));
    set(&**store, "team/**", 110).await;
    push(&**store, "team/b", "other", &[]).await;
    assert_eq!(used(&**store, "team/**").await, 110);
}

/// Of 64 pushes by two nodes exactly as many fit as there is room for.
async fn parallel_pushes_never_exceed_the_limit(store: &MetadataSubject) {
    set(&**store, "team/**", 100 + 40 * 35).await;
    let (base, other) = (blob(0, 100), store.other().await);
    let mut images = Vec::new();
    for number in 0..64_u64 {
        let repository = format!("team/r{number}");
        let image = image(&**store, &repository, &format!("m{number}"), &[&base, &blob(number + 1, 25)]).await;
        images.push((repository, image));
    }
    let first: Arc<dyn Metadata> = store.other().await;
    let pushes = images.into_iter().enumerate().map(|(number, (repository, image))| {
        let store = if number % 2 == 0 { Arc::clone(&first) } else { Arc::clone(&other) };
        async move { store.put_manifest(&name(&repository), image, LEASE, &change()).await }
    });
    let outcomes = futures_util::future::join_all(pushes).await;
    let stored = outcomes.iter().filter(|outcome| matches!(outcome, Ok(PutOutcome::Stored))).count();
    let over = outcomes.iter().filter(|outcome| matches!(outcome, Err(StorageError::OverQuota(_)))).count();
    assert_eq!((stored, over), (40, 24), "{outcomes:?}");
    assert_eq!(used(&**store, "team/**").await, 1500);
}

async fn a_second_count_finds_what_the_first_one_missed(store: &MetadataSubject) {
    let digest = push(&**store, "team/a", "image", &[&blob(1, 90)]).await;
    set(&**store, "team/**", 1000).await;
    assert!(store.recount_quota(&on("team/**")).await.expect("begun"));
    assert!(!store.recount_quota(&on("team/**")).await.expect("answered"), "one at a time");
    assert_eq!(quota(&**store, "team/**").await.state, QuotaState::Recounting);
    delete(&**store, "team/a", &digest).await;
    push(&**store, "team/b", "other", &[&blob(2, 70)]).await;
    assert_eq!(used(&**store, "team/**").await, 80, "the first count is in force");
    count(&**store).await;
    let counted = quota(&**store, "team/**").await;
    assert_eq!((counted.used, counted.drift, counted.state), (80, Some(0), QuotaState::Counted));
    push(&**store, "team/b", "third", &[]).await;
    assert_eq!(used(&**store, "team/**").await, 90);
    assert!(!store.recount_quota(&on("absent")).await.expect("answered"));
}

async fn a_blob_that_an_index_waited_for_is_charged(store: &MetadataSubject) {
    set(&**store, "team/**", 100).await;
    let (fits, does_not) = (blob(1, 60), blob(2, 60));
    let children = vec![fits.digest.clone(), does_not.digest.clone()];
    let index = NewManifest { children, may_be_sparse: true, ..manifest("an index..", &["latest"]) };
    let digest = index.digest.clone();
    assert_eq!(put(&**store, "team/a", index).await, PutOutcome::Stored);
    link(&**store, "team/a", &fits).await;
    assert_eq!(used(&**store, "team/**").await, 70);
    let linked = store.link_blob(&name("team/a"), does_not, None, LEASE).await;
    assert!(matches!(linked, Err(StorageError::OverQuota(_))), "{linked:?}");
    delete(&**store, "team/a", &digest).await;
    assert_eq!(used(&**store, "team/**").await, 0);
}

async fn the_entry(store: &dyn Metadata) -> i64 {
    store.trash(0, 100).await.expect("read").iter().rfind(|entry| entry.part_of.is_none()).expect("an entry").id
}

async fn what_is_in_the_trash_is_charged_when_it_comes_back(store: &MetadataSubject) {
    set(&**store, "team/**", 220).await;
    let (base, deletion) = (blob(1, 100), deletion(std::time::Duration::from_hours(1)));
    let digest = push(&**store, "team/a", "image", &[&base]).await;
    // Restored by its entry, by a push, and with its repository.
    assert!(store.delete_manifest(&name("team/a"), &digest, &deletion).await.expect("deleted"));
    assert_eq!(used(&**store, "team/**").await, 0);
    store.restore(the_entry(&**store).await, &change()).await.expect("restored");
    assert_eq!(used(&**store, "team/**").await, 110);
    assert!(store.delete_manifest(&name("team/a"), &digest, &deletion).await.expect("deleted"));
    push(&**store, "team/a", "image", &[&base]).await;
    assert_eq!(used(&**store, "team/**").await, 110);
    assert!(store.remove_repository(&name("team/a"), &deletion).await.expect("removed"));
    assert_eq!(used(&**store, "team/**").await, 0);
    store.restore(the_entry(&**store).await, &change()).await.expect("restored");
    assert_eq!(used(&**store, "team/**").await, 110);

    // Where others have used the space meanwhile, it is refused, and stays in the trash.
    assert!(store.remove_repository(&name("team/a"), &deletion).await.expect("removed"));
    let other = push(&**store, "team/b", "other", &[&blob(2, 200)]).await;
    let entry = the_entry(&**store).await;
    let refused = store.restore(entry, &change()).await;
    assert!(matches!(refused, Err(StorageError::OverQuota(_))), "{refused:?}");
    assert_eq!((used(&**store, "team/**").await, the_entry(&**store).await), (210, entry));
    delete(&**store, "team/b", &other).await;
    store.restore(entry, &change()).await.expect("restored");
    assert!(store.delete_manifest(&name("team/a"), &digest, &deletion).await.expect("deleted"));
    assert_eq!(used(&**store, "team/**").await, 0);
    store.remove_trash(the_entry(&**store).await).await.expect("removed");
    assert_eq!(used(&**store, "team/**").await, 0, "what left the trash had been given back before");
    set(&**store, "team/**", 220).await;
    assert!(store.recount_quota(&on("team/**")).await.expect("begun"));
    count(&**store).await;
    assert_eq!((used(&**store, "team/**").await, quota(&**store, "team/**").await.drift), (0, Some(0)));
}

async fn sizes_count_what_is_shared_once(store: &MetadataSubject) {
    let (base, own, elsewhere) = (blob(1, 100), blob(2, 30), blob(3, 5));
    push(&**store, "team/a", "one", &[&base, &own]).await;
    push(&**store, "team/a", "two", &[&base, &elsewhere]).await;
    push(&**store, "team/b", "one", &[&base, &own]).await;
    push(&**store, "other/c", "four", &[&elsewhere]).await;
    let names = ["team/a", "team/b"].map(name);
    let each = store.repository_sizes(&names).await.expect("read");
    let of = |number: usize| {
        let sizes = &each[number].sizes;
        (sizes.tags, sizes.manifests, sizes.logical, sizes.unique, sizes.own)
    };
    assert_eq!(each.iter().map(|size| size.name.clone()).collect::<Vec<_>>(), names);
    assert_eq!(of(0), (1, 2, 255, 155, 0), "every blob is in another repository too");
    assert_eq!(of(1), (1, 1, 140, 140, 0));
    let range = portcullis::domain::NameRange::beginning_with("team/");
    let together = store.sizes_together(&names, &range).await.expect("read");
    assert_eq!((together.tags, together.manifests, together.logical), (2, 3, 395));
    assert_eq!((together.unique, together.own), (155, 130), "base and own are in no other namespace");
    set(&**store, "team/**", 1000).await;
    assert_eq!(used(&**store, "team/**").await, together.unique);
    assert_eq!(store.repository_sizes(&[name("absent")]).await.expect("read"), []);
}
