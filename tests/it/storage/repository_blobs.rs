//! The contract of blobs in repositories: links are rights, and of a blob one content counts.

use portcullis::domain::TagProtection;
use portcullis::storage::StorageError;
use portcullis::storage::blobs::BlobKey;
use portcullis::storage::metadata::BlobRecord;

use super::content::{LEASE, blob, link, name, sha256};
use super::subject::MetadataSubject;
use super::uploads::upload;

metadata_contract! {
    links_are_rights,
    a_known_blob_keeps_its_key_and_says_which,
    a_key_whose_content_is_lost_is_replaced_once,
    of_two_that_push_the_same_blob_one_key_counts,
    mounts_need_the_source,
}

async fn links_are_rights(store: &MetadataSubject) {
    let blob = blob(9, 42);
    let session = upload("links/here", "user:a");
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    store.link_blob(&name("links/here"), blob.clone(), Some((session.id, 0)), LEASE).await.expect("linked");
    assert_eq!(store.upload(&name("links/here"), "user:a", session.id).await.expect("read"), None, "it has ended");
    store.link_blob(&name("links/here"), blob.clone(), Some((session.id, 0)), LEASE).await.expect("linked again");
    assert_eq!(
        store.blob(&name("links/here"), &blob.digest).await.expect("read").map(|linked| linked.blob),
        Some(blob.clone())
    );
    // A session that was cancelled meanwhile, and its content with it.
    let other = BlobRecord { digest: sha256(b"cancelled"), ..under("cancelled", &blob) };
    let cancelled = store.link_blob(&name("links/here"), other.clone(), Some((session.id, 0)), LEASE).await;
    assert_eq!(cancelled.expect("answered"), None);
    assert_eq!(store.blob(&name("links/here"), &other.digest).await.expect("read"), None);
    assert_eq!(store.blob(&name("links/elsewhere"), &blob.digest).await.expect("read"), None);
    assert!(store.unlink_blob(&name("links/here"), &blob.digest, &TagProtection::default()).await.expect("unlinked"));
    assert!(!store.unlink_blob(&name("links/here"), &blob.digest, &TagProtection::default()).await.expect("gone"));
    assert_eq!(store.blob(&name("links/here"), &blob.digest).await.expect("read"), None);
}

fn under(key: &str, blob: &BlobRecord) -> BlobRecord {
    BlobRecord { key: BlobKey(key.to_owned()), ..blob.clone() }
}

async fn a_known_blob_keeps_its_key_and_says_which(store: &MetadataSubject) {
    let first = under("first", &blob(10, 42));
    let link = async |blob: &BlobRecord| {
        store.link_blob(&name("keys"), blob.clone(), None, LEASE).await.expect("linked").expect("known").0
    };
    assert_eq!(link(&first).await, "first");
    let second = under("second", &first);
    assert_eq!(link(&second).await, "first", "the caller removes the second");
    assert_eq!(
        store.blob(&name("keys"), &first.digest).await.expect("read").map(|linked| linked.blob),
        Some(first.clone())
    );
    let longer = BlobRecord { size: 43, ..second };
    assert_eq!(link(&longer).await, "second", "another length cannot be the same content");
    assert_eq!(store.blob(&name("keys"), &longer.digest).await.expect("read").map(|linked| linked.blob), Some(longer));
}

async fn a_key_whose_content_is_lost_is_replaced_once(store: &MetadataSubject) {
    let (lost, other) = (under("lost", &blob(13, 42)), store.other().await);
    link(&**store, "lost", &lost).await;
    let (new, late) = (under("new", &lost), under("late", &lost));
    assert_eq!(
        other.link_blob(&name("lost"), new.clone(), None, LEASE).await.expect("linked").expect("known").0,
        "lost"
    );
    assert_eq!(other.replace_blob_key(new.clone(), lost.key.clone()).await.expect("replaced").0, "new");
    assert_eq!(store.replace_blob_key(late, lost.key.clone()).await.expect("answered").0, "new", "another was first");
    assert_eq!(store.blob(&name("lost"), &lost.digest).await.expect("read").map(|linked| linked.blob), Some(new));
    let unknown = under("x", &blob(14, 42));
    assert!(matches!(store.replace_blob_key(unknown, lost.key).await, Err(StorageError::Damaged(_))));
}

async fn of_two_that_push_the_same_blob_one_key_counts(store: &MetadataSubject) {
    let (blob, other) = (blob(15, 42), store.other().await);
    let (here, there) = (name("same/here"), name("same/there"));
    let (one, two) = tokio::join!(
        store.link_blob(&here, under("one", &blob), None, LEASE),
        other.link_blob(&there, under("two", &blob), None, LEASE)
    );
    let (one, two) = (one.expect("linked").expect("known"), two.expect("linked").expect("known"));
    assert_eq!(one, two, "both are told the same");
    for repository in [here, there] {
        let found = store.blob(&repository, &blob.digest).await.expect("read").expect("linked").blob;
        assert_eq!(found.key, one);
    }
}

async fn mounts_need_the_source(store: &MetadataSubject) {
    let blob = blob(11, 42);
    link(&**store, "mount/from", &blob).await;
    let (from, to, other) = (name("mount/from"), name("mount/to"), name("mount/other"));
    assert!(!store.mount_blob(&other, &to, &blob.digest, LEASE).await.expect("no source"));
    assert!(!store.mount_blob(&from, &to, &sha256(b"absent"), LEASE).await.expect("no blob"));
    assert!(!store.repository_exists(&to).await.expect("read"), "nothing was done");
    assert!(store.mount_blob(&from, &to, &blob.digest, LEASE).await.expect("mounted"));
    assert!(store.mount_blob(&from, &to, &blob.digest, LEASE).await.expect("mounted again"));
    assert_eq!(store.blob(&to, &blob.digest).await.expect("read").map(|linked| linked.blob), Some(blob));
}
