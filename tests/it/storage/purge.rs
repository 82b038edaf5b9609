//! The contract of purges: what is purged is doomed at once, and nothing that anything else needs.

use std::time::Duration;

use portcullis::domain::Digest;
use portcullis::storage::StorageError;
use portcullis::storage::metadata::{Held, Metadata, Moment, NewManifest, Purged, TagRestored};

use super::collection::{doomed, image, push};
use super::content::{blob, change, deletion, link, manifest, name, tag};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    a_purged_manifest_takes_along_what_nothing_else_needs,
    a_manifest_in_the_trash_is_purged,
    a_purged_repository_is_gone_with_those_in_the_trash,
    what_is_held_is_not_purged,
}

const KEEP: Duration = Duration::from_hours(24);

async fn purge(store: &dyn Metadata, repository: &str, digest: &Digest) -> Option<Purged> {
    store.purge_manifest(&name(repository), digest, "leaked", &change()).await.expect("purged")
}

async fn a_purged_manifest_takes_along_what_nothing_else_needs(store: &MetadataSubject) {
    let [own, shared, elsewhere, signed] = [71, 72, 73, 74].map(|seed| blob(seed, 10));
    for layer in [&own, &shared, &elsewhere, &signed] {
        link(&**store, "purged", layer).await;
    }
    link(&**store, "other", &elsewhere).await;
    let child = push(&**store, "purged", image("child", &[&own, &shared, &elsewhere], &[])).await;
    let tagged = push(&**store, "purged", image("tagged", &[&shared], &["kept"])).await;
    let children = vec![child.clone(), tagged.clone()];
    let index = push(&**store, "purged", NewManifest { children, ..manifest("index", &["v1", "v2"]) }).await;
    let signature = NewManifest { subject: Some(index.clone()), ..image("signature", &[&signed], &[]) };
    let signature = push(&**store, "purged", signature).await;
    assert_eq!(purge(&**store, "purged", &Digest::clone(&own.digest)).await, None, "a blob is not a manifest");
    let purged = purge(&**store, "purged", &index).await.expect("there");
    assert_eq!(purged, Purged { manifests: 3, contents: 2, bytes: 20, shared: 2 });
    for digest in [&index, &child, &signature] {
        assert_eq!(store.manifest(&name("purged"), digest).await.expect("read"), None);
    }
    assert!(store.manifest(&name("purged"), &tagged).await.expect("read").is_some());
    let mut expected = [own.key.0.clone(), signed.key.0.clone()];
    expected.sort();
    assert_eq!(doomed(&**store).await, expected, "though they are leased");
    for layer in [&own, &signed, &elsewhere] {
        assert_eq!(store.blob(&name("purged"), &layer.digest).await.expect("read"), None);
    }
    assert!(store.blob(&name("purged"), &shared.digest).await.expect("read").is_some());
    assert!(store.blob(&name("other"), &elsewhere.digest).await.expect("read").is_some());
    // Its content is not there any more, but the history tells who did it.
    let restored = store.restore_tag(&name("purged"), &tag("v1"), Moment::Deleted, &change()).await.expect("done");
    assert_eq!(restored, TagRestored::ContentGone(index.clone()));
    let [record] = store.purges(&name("purged")).await.expect("read").try_into().expect("one");
    assert_eq!((record.digest, record.purged_at, record.reason.as_str()), (Some(index), BEGIN, "leaked"));
    assert_eq!((record.purged_by.as_str(), record.purged.bytes), ("user:alice", 20));
    // It may be pushed again.
    link(&**store, "purged", &own).await;
    push(&**store, "purged", image("child", &[&own], &["v3"])).await;
}

async fn a_manifest_in_the_trash_is_purged(store: &MetadataSubject) {
    let layer = blob(75, 10);
    link(&**store, "trashed", &layer).await;
    let digest = push(&**store, "trashed", image("trashed", &[&layer], &["v1"])).await;
    store.delete_manifest(&name("trashed"), &digest, &deletion(KEEP)).await.expect("deleted");
    let purged = purge(&**store, "trashed", &digest).await.expect("there");
    assert_eq!((purged.manifests, purged.contents), (1, 1));
    assert_eq!(store.trash(0, 10).await.expect("read"), []);
    assert_eq!(doomed(&**store).await, [layer.key.0]);
    assert_eq!(purge(&**store, "trashed", &digest).await, None, "twice");
}

async fn a_purged_repository_is_gone_with_those_in_the_trash(store: &MetadataSubject) {
    let layers = [76, 77, 78].map(|seed| blob(seed, 10));
    let repository = name("whole");
    for (layer, text) in [(&layers[0], "first"), (&layers[1], "second")] {
        link(&**store, "whole", layer).await;
        push(&**store, "whole", image(text, &[layer], &["v1"])).await;
        if text == "first" {
            assert!(store.remove_repository(&repository, &deletion(KEEP)).await.expect("removed"));
        }
    }
    link(&**store, "whole", &layers[2]).await;
    link(&**store, "other", &layers[2]).await;
    let purge = async || store.purge_repository(&repository, "leaked", &change()).await.expect("purged");
    assert_eq!(purge().await, Some(Purged { manifests: 2, contents: 2, bytes: 20, shared: 1 }));
    assert!(!store.repository_exists(&repository).await.expect("read"));
    assert_eq!(store.trash(0, 10).await.expect("read"), []);
    let mut expected = [layers[0].key.0.clone(), layers[1].key.0.clone()];
    expected.sort();
    assert_eq!(doomed(&**store).await, expected);
    assert_eq!(purge().await, None);
    assert_eq!(store.purges(&repository).await.expect("read").len(), 1);
}

async fn what_is_held_is_not_purged(store: &MetadataSubject) {
    let digest = push(&**store, "held", manifest("held", &["v1"])).await;
    let held = Held { repository: name("held"), tag: Some(tag("v1")), reason: "evidence".to_owned() };
    assert!(store.hold(held, &change()).await.expect("held"));
    let purged = store.purge_manifest(&name("held"), &digest, "leaked", &change()).await;
    assert!(matches!(purged, Err(StorageError::Held(_))));
    let purged = store.purge_repository(&name("held"), "leaked", &change()).await;
    assert!(matches!(purged, Err(StorageError::Held(_))));
    assert!(store.manifest(&name("held"), &digest).await.expect("read").is_some());
}
