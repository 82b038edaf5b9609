//! The contract of the trash: what was deleted is gone for readers at once, kept from the collector, and comes back as it was.

use std::time::Duration;

use portcullis::domain::{Digest, TagProtection};
use portcullis::storage::metadata::{
    Cause, Change, Metadata, NewManifest, PutOutcome, RemovalOutcome, RestoreOutcome, ReviewKind, TrashEntry, Trashed,
};

use super::collection::{collect, image, push};
use super::content::{LEASE, at_once, blob, change, deletion, link, manifest, name, put, tag, tag_target};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    a_deleted_tag_comes_back,
    a_deleted_manifest_comes_back_with_its_tags,
    an_index_brings_its_deleted_children_back,
    a_deleted_manifest_is_hidden_from_all_that_reads,
    a_manifest_that_is_pushed_again_leaves_the_trash,
    a_deleted_repository_comes_back_whole,
    a_name_that_is_taken_is_not_taken_away,
    what_is_in_the_trash_is_kept_until_its_time_is_over,
    a_deleted_repository_is_kept_until_its_time_is_over,
    a_layer_that_was_deleted_alone_comes_back_with_its_image,
    what_was_deleted_past_the_trash_is_not_in_it,
}

const KEEP: Duration = Duration::from_hours(14 * 24);

fn restoring() -> Change {
    Change { by: "operator:root".to_owned(), cause: Cause::Restore, ..deletion(KEEP) }
}

async fn trash(store: &dyn Metadata) -> Vec<TrashEntry> {
    store.trash(0, 100).await.expect("read")
}

async fn only(store: &dyn Metadata) -> TrashEntry {
    let [entry] = trash(store).await.try_into().expect("one entry");
    entry
}

async fn restore(store: &dyn Metadata, id: i64) -> RestoreOutcome {
    store.restore(id, &restoring()).await.expect("done")
}

async fn restored(store: &dyn Metadata, id: i64) -> TrashEntry {
    match restore(store, id).await {
        RestoreOutcome::Restored { entry, left_out } if left_out.is_empty() => entry,
        other => panic!("{other:?}"),
    }
}

async fn delete_tag(store: &dyn Metadata, repository: &str, text: &str) {
    assert!(store.delete_tag(&name(repository), &tag(text), &deletion(KEEP)).await.expect("deleted"), "{text}");
}

async fn delete(store: &dyn Metadata, repository: &str, digest: &Digest) {
    assert!(store.delete_manifest(&name(repository), digest, &deletion(KEEP)).await.expect("deleted"));
}

async fn is_there(store: &dyn Metadata, repository: &str, digest: &Digest) -> bool {
    store.manifest(&name(repository), digest).await.expect("read").is_some()
}

async fn a_deleted_tag_comes_back(store: &MetadataSubject) {
    let digest = push(&**store, "tags", manifest("kept", &["v1"])).await;
    delete_tag(&**store, "tags", "v1").await;
    assert_eq!(tag_target(&**store, "tags", "v1").await, None);
    assert!(is_there(&**store, "tags", &digest).await, "by its digest");
    let entry = only(&**store).await;
    let until = BEGIN + i64::try_from(KEEP.as_secs()).expect("small");
    assert_eq!((entry.deleted_at, entry.purge_at, entry.part_of), (BEGIN, until, None));
    assert_eq!((entry.deleted_by.as_str(), entry.cause.as_str()), ("user:bob", "delete"));
    assert_eq!((&entry.what, &entry.repository), (&Trashed::Tag(tag("v1"), digest.clone()), &name("tags")));
    assert_eq!(restored(&**store, entry.id).await, entry);
    assert_eq!(tag_target(&**store, "tags", "v1").await, Some(digest));
    assert_eq!(restore(&**store, entry.id).await, RestoreOutcome::Unknown, "twice");
    assert_eq!(trash(&**store).await, []);
}

async fn a_deleted_manifest_comes_back_with_its_tags(store: &MetadataSubject) {
    let one = push(&**store, "whole", manifest("one", &["a", "b", "c"])).await;
    let before = store.manifest(&name("whole"), &one).await.expect("read").expect("there");
    delete(&**store, "whole", &one).await;
    assert!(!store.delete_manifest(&name("whole"), &one, &deletion(KEEP)).await.expect("done"), "it is gone");
    for text in ["a", "b", "c"] {
        assert_eq!(tag_target(&**store, "whole", text).await, None);
    }
    let entries = trash(&**store).await;
    let parents: Vec<Option<i64>> = entries.iter().map(|entry| entry.part_of).collect();
    let id = entries[0].id;
    assert_eq!(parents, [None, Some(id), Some(id), Some(id)]);
    let two = push(&**store, "whole", manifest("two", &["b"])).await;
    let outcome = restore(&**store, id).await;
    assert!(matches!(&outcome, RestoreOutcome::Restored { left_out, .. } if *left_out == [tag("b")]), "{outcome:?}");
    let after = store.manifest(&name("whole"), &one).await.expect("read").expect("there");
    assert_eq!((after.content, after.media_type), (before.content, before.media_type));
    let targets = [("a", &one), ("b", &two), ("c", &one)];
    for (text, digest) in targets {
        assert_eq!(tag_target(&**store, "whole", text).await.as_ref(), Some(digest), "{text}");
    }
    // The tag that was taken can be restored once its name is free.
    let left = only(&**store).await;
    assert_eq!((&left.what, left.part_of), (&Trashed::Tag(tag("b"), one.clone()), None));
    assert!(matches!(restore(&**store, left.id).await, RestoreOutcome::NameTaken(_, Some(digest)) if digest == two));
    store.delete_tag(&name("whole"), &tag("b"), &at_once()).await.expect("deleted");
    restored(&**store, left.id).await;
    assert_eq!(tag_target(&**store, "whole", "b").await, Some(one));
}

async fn an_index_brings_its_deleted_children_back(store: &MetadataSubject) {
    let child = push(&**store, "index", manifest("child", &[])).await;
    let inner = NewManifest { children: vec![child.clone()], ..manifest("inner", &[]) };
    let inner = push(&**store, "index", inner).await;
    let index = NewManifest { children: vec![inner.clone()], ..manifest("index", &["v1"]) };
    let index = push(&**store, "index", index).await;
    for digest in [&child, &inner, &index] {
        delete(&**store, "index", digest).await;
    }
    let entry = trash(&**store).await.into_iter().find(|entry| entry.what == Trashed::Manifest(index.clone()));
    restored(&**store, entry.expect("there").id).await;
    for digest in [&child, &inner, &index] {
        assert!(is_there(&**store, "index", digest).await);
    }
    assert_eq!(trash(&**store).await, []);
}

async fn a_deleted_manifest_is_hidden_from_all_that_reads(store: &MetadataSubject) {
    let repository = name("hidden");
    let subject = push(&**store, "hidden", manifest("subject", &["v1"])).await;
    let signature = NewManifest { subject: Some(subject.clone()), ..manifest("signature", &[]) };
    let signature = push(&**store, "hidden", signature).await;
    delete(&**store, "hidden", &signature).await;
    let limit = portcullis::storage::metadata::PageLimit { entries: 10, bytes: 10_000 };
    let referrers = store.referrers(&repository, &subject, None, None, limit).await.expect("read");
    assert_eq!(referrers.entries, []);
    let candidates = std::slice::from_ref(&signature);
    assert_eq!(store.among_referrers(&repository, &subject, candidates).await.expect("read"), []);
    assert!(!is_there(&**store, "hidden", &signature).await);
    let index = NewManifest { children: vec![signature.clone()], ..manifest("index", &[]) };
    assert_eq!(put(&**store, "hidden", index).await, PutOutcome::Missing(vec![signature]));
    let summary = store.repository_summary(&repository).await.expect("read").expect("there");
    assert_eq!(summary.manifests, 1);
}

async fn a_manifest_that_is_pushed_again_leaves_the_trash(store: &MetadataSubject) {
    let digest = push(&**store, "again", manifest("again", &["a", "b"])).await;
    delete(&**store, "again", &digest).await;
    push(&**store, "again", manifest("again", &["a"])).await;
    assert_eq!(tag_target(&**store, "again", "a").await, Some(digest.clone()));
    assert!(is_there(&**store, "again", &digest).await);
    let left: Vec<Trashed> = trash(&**store).await.into_iter().map(|entry| entry.what).collect();
    assert_eq!(left, [Trashed::Tag(tag("a"), digest.clone()), Trashed::Tag(tag("b"), digest.clone())]);
    store.clock.advance(KEEP);
    remove_due(&**store).await;
    collect(&**store).await;
    assert_eq!(tag_target(&**store, "again", "a").await, Some(digest), "it is not removed with the old entry");
}

async fn a_deleted_repository_comes_back_whole(store: &MetadataSubject) {
    let layer = blob(51, 10);
    let (repository, other) = (name("gone/app"), name("other"));
    link(&**store, "gone/app", &layer).await;
    link(&**store, "other", &blob(52, 10)).await;
    let digest = push(&**store, "gone/app", image("app", &[&layer], &["v1", "v2"])).await;
    delete_tag(&**store, "gone/app", "v2").await;
    let generation = store.generation(&repository).await.expect("read");
    assert!(store.remove_repository(&repository, &deletion(KEEP)).await.expect("removed"));
    assert!(!store.repository_exists(&repository).await.expect("read"));
    assert!(!store.repositories(None, 100).await.expect("listed").contains(&repository));
    assert_eq!(tag_target(&**store, "gone/app", "v1").await, None);
    assert_eq!(store.blob(&repository, &layer.digest).await.expect("read"), None);
    assert!(!store.mount_blob(&repository, &other, &layer.digest, LEASE).await.expect("done"));
    let everywhere = portcullis::domain::NameRange::all();
    assert_eq!(store.repository_with_blob(&layer.digest, &everywhere).await.expect("read"), None);

    let entries = trash(&**store).await;
    let (tag_entry, whole) = (&entries[0], &entries[1]);
    assert_eq!(whole.what, Trashed::Repository);
    assert!(
        matches!(restore(&**store, tag_entry.id).await, RestoreOutcome::RepositoryInTrash(_, id) if id == whole.id)
    );
    assert_eq!(store.deleted_repositories(&repository).await.expect("read"), std::slice::from_ref(whole));
    restored(&**store, whole.id).await;
    assert_eq!(tag_target(&**store, "gone/app", "v1").await, Some(digest));
    assert_eq!(
        store.blob(&repository, &layer.digest).await.expect("read").map(|found| found.blob),
        Some(layer.clone())
    );
    assert_eq!(store.repository_with_blob(&layer.digest, &everywhere).await.expect("read"), Some(repository.clone()));
    assert!(store.generation(&repository).await.expect("read") > generation, "caches read it again");
    restored(&**store, tag_entry.id).await;
    assert!(tag_target(&**store, "gone/app", "v2").await.is_some());
}

async fn a_name_that_is_taken_is_not_taken_away(store: &MetadataSubject) {
    let repository = name("taken");
    let layer = blob(53, 10);
    for round in ["first", "second"] {
        link(&**store, "taken", &layer).await;
        push(&**store, "taken", image(round, &[&layer], &["v1"])).await;
        assert!(store.remove_repository(&repository, &deletion(KEEP)).await.expect("removed"));
    }
    let third = push(&**store, "taken", manifest("third", &["v1"])).await;
    let entries = store.deleted_repositories(&repository).await.expect("read");
    assert_eq!(entries.len(), 2, "each on its own");
    assert!(matches!(restore(&**store, entries[0].id).await, RestoreOutcome::NameTaken(_, None)));
    assert_eq!(tag_target(&**store, "taken", "v1").await, Some(third));
    assert!(store.remove_repository(&repository, &at_once()).await.expect("removed"));
    restored(&**store, entries[1].id).await;
    assert_eq!(tag_target(&**store, "taken", "v1").await, Some(super::content::sha256(b"first")));
}

/// Removes what is due.
async fn remove_due(store: &dyn Metadata) -> usize {
    let due = store.due_trash(100).await.expect("read");
    for id in &due {
        assert_eq!(store.remove_trash(*id).await.expect("removed"), RemovalOutcome::Removed);
        assert_eq!(store.remove_trash(*id).await.expect("done"), RemovalOutcome::Gone);
    }
    due.len()
}

async fn what_is_in_the_trash_is_kept_until_its_time_is_over(store: &MetadataSubject) {
    let layers = [blob(54, 10), blob(55, 10)];
    for layer in &layers {
        link(&**store, "kept", layer).await;
    }
    let child = push(&**store, "kept", image("child", &[&layers[0]], &[])).await;
    let index = NewManifest { children: vec![child.clone()], ..manifest("index", &["v1"]) };
    let index = push(&**store, "kept", index).await;
    let other = push(&**store, "kept", image("other", &[&layers[1]], &["v2"])).await;
    delete(&**store, "kept", &index).await;
    delete_tag(&**store, "kept", "v2").await;
    store.clock.advance(KEEP - Duration::from_secs(1));
    assert_eq!((remove_due(&**store).await, collect(&**store).await), (0, Vec::new()));
    assert!(is_there(&**store, "kept", &other).await && is_there(&**store, "kept", &child).await);
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(remove_due(&**store).await, 2);
    assert_eq!(trash(&**store).await, []);
    let mut collected = collect(&**store).await;
    collected.retain(|(kind, _)| matches!(kind, ReviewKind::Manifest | ReviewKind::Removal));
    for (kind, digest) in [
        (ReviewKind::Manifest, child),
        (ReviewKind::Manifest, other),
        (ReviewKind::Removal, layers[0].digest.clone()),
        (ReviewKind::Removal, layers[1].digest.clone()),
    ] {
        assert!(collected.contains(&(kind, digest.clone())), "{kind:?} {digest}: {collected:?}");
    }
}

async fn a_deleted_repository_is_kept_until_its_time_is_over(store: &MetadataSubject) {
    let layer = blob(56, 10);
    link(&**store, "over", &layer).await;
    push(&**store, "over", image("over", &[&layer], &["v1"])).await;
    link(&**store, "over", &blob(57, 10)).await;
    assert!(store.remove_repository(&name("over"), &deletion(KEEP)).await.expect("removed"));
    store.clock.advance(KEEP - Duration::from_secs(1));
    assert_eq!((remove_due(&**store).await, collect(&**store).await), (0, Vec::new()), "not what nothing used either");
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(remove_due(&**store).await, 1);
    let collected = collect(&**store).await;
    assert!(collected.contains(&(ReviewKind::Removal, layer.digest)), "{collected:?}");
    assert_eq!(store.collection_status().await.expect("read").waiting, [0; 4]);
}

async fn a_layer_that_was_deleted_alone_comes_back_with_its_image(store: &MetadataSubject) {
    let layer = blob(58, 10);
    link(&**store, "layers", &layer).await;
    let digest = push(&**store, "layers", image("image", &[&layer], &["v1"])).await;
    delete(&**store, "layers", &digest).await;
    assert!(store.unlink_blob(&name("layers"), &layer.digest, &TagProtection::default()).await.expect("unlinked"));
    store.clock.advance(LEASE);
    collect(&**store).await;
    restored(&**store, trash(&**store).await[0].id).await;
    assert!(store.blob(&name("layers"), &layer.digest).await.expect("read").is_some());
}

async fn what_was_deleted_past_the_trash_is_not_in_it(store: &MetadataSubject) {
    let digest = push(&**store, "past", manifest("past", &["v1"])).await;
    store.delete_tag(&name("past"), &tag("v1"), &at_once()).await.expect("deleted");
    assert_eq!(collect(&**store).await, [(ReviewKind::Manifest, digest)]);
    let digest = push(&**store, "past", manifest("past again", &["v1"])).await;
    store.delete_manifest(&name("past"), &digest, &at_once()).await.expect("deleted");
    store.put_manifest(&name("past"), manifest("x", &["v1"]), LEASE, &change()).await.expect("put");
    store.remove_repository(&name("past"), &at_once()).await.expect("removed");
    assert_eq!(trash(&**store).await, []);
}
