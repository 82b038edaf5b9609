//! The contract of what nodes agree on: versions grow in the transaction of each change, and every handle sees them.

use portcullis::storage::metadata::{Metadata, NewManifest, NewUser};

use super::content::{LEASE, blob, link, manifest, name, put, sha256, tag};
use super::subject::MetadataSubject;
use super::uploads::upload;

metadata_contract! {
    every_change_of_what_can_be_read_raises_the_generation,
    a_generation_never_comes_back,
    a_node_sees_what_another_writes,
    a_node_sees_that_another_has_changed_policy,
}

async fn generation(store: &dyn Metadata, repository: &str) -> Option<i64> {
    store.generation(&name(repository)).await.expect("read")
}

async fn every_change_of_what_can_be_read_raises_the_generation(store: &MetadataSubject) {
    let (repository, blob, other) = (name("changes"), blob(30, 10), blob(33, 10));
    assert_eq!(generation(&**store, "changes").await, None);
    put(&**store, "changes", manifest("nothing", &[])).await;
    let mut last = generation(&**store, "changes").await.expect("exists");
    let mut has_grown = async |what: &str, grows: bool| {
        let now = generation(&**store, "changes").await.expect("exists");
        assert_eq!(now > last, grows, "{what}: {last}, then {now}");
        last = now;
    };
    link(&**store, "changes", &blob).await;
    has_grown("a blob is linked", true).await;
    link(&**store, "changes", &blob).await;
    has_grown("it is linked already", false).await;
    link(&**store, "changes/source", &other).await;
    assert!(store.mount_blob(&name("changes/source"), &repository, &other.digest, LEASE).await.expect("mounted"));
    has_grown("a blob is mounted", true).await;
    assert!(store.create_upload(upload("changes", "user:a"), 1000).await.expect("stored"));
    has_grown("an upload begins, which no one else can read", false).await;
    put(&**store, "changes", manifest("one", &["v1"])).await;
    has_grown("a manifest is put", true).await;
    let read = store.manifest_by_tag(&repository, &tag("v1")).await.expect("read").expect("exists");
    assert_eq!(Some(read.generation), generation(&**store, "changes").await);
    put(&**store, "changes", NewManifest { blobs: vec![sha256(b"absent")], ..manifest("two", &["v1"]) }).await;
    has_grown("a put is refused", false).await;
    assert!(store.delete_tag(&repository, &tag("v1")).await.expect("deleted"));
    has_grown("a tag is deleted", true).await;
    assert!(!store.delete_tag(&repository, &tag("v1")).await.expect("gone"));
    has_grown("nothing is deleted", false).await;
    assert!(store.delete_manifest(&repository, &sha256(b"one")).await.expect("deleted"));
    has_grown("a manifest is deleted", true).await;
    assert!(store.unlink_blob(&repository, &blob.digest).await.expect("unlinked"));
    has_grown("a blob is unlinked", true).await;
}

async fn a_generation_never_comes_back(store: &MetadataSubject) {
    let mut last = 0;
    for round in 0..3 {
        put(&**store, "again", manifest("the same", &["v1"])).await;
        // Others come and go in between.
        put(&**store, &format!("again/{round}"), manifest("another", &["v1"])).await;
        let now = generation(&**store, "again").await.expect("exists");
        assert!(now > last, "{last}, then {now}");
        last = now;
        assert!(store.remove_repository(&name("again")).await.expect("removed"));
        assert!(!store.remove_repository(&name("again")).await.expect("gone"));
        assert_eq!(generation(&**store, "again").await, None);
    }
}

async fn a_node_sees_what_another_writes(store: &MetadataSubject) {
    let (other, repository) = (store.other().await, name("shared"));
    put(&**store, "shared", manifest("one", &["v1"])).await;
    let seen = other.manifest_by_tag(&repository, &tag("v1")).await.expect("read").expect("there");
    assert_eq!(generation(&*other, "shared").await, Some(seen.generation));
    put(&**store, "shared", manifest("two", &["v1"])).await;
    assert!(generation(&*other, "shared").await > Some(seen.generation), "what was remembered does not hold any more");
    assert!(store.remove_repository(&repository).await.expect("removed"));
    assert_eq!(generation(&*other, "shared").await, None);
    put(&*other, "shared", manifest("one", &["v1"])).await;
    assert!(generation(&**store, "shared").await > Some(seen.generation), "not even where the same comes again");
}

async fn a_node_sees_that_another_has_changed_policy(store: &MetadataSubject) {
    let other = store.other().await;
    let before = other.policy_version().await.expect("read");
    let user = NewUser { name: "nora".parse().expect("a name"), password_hash: "x".to_owned(), admin: false };
    store.add_user(user, true).await.expect("added");
    let after = other.policy_version().await.expect("read");
    assert!(after > before);
    put(&**store, "policy", manifest("one", &["v1"])).await;
    assert_eq!(other.policy_version().await.expect("read"), after, "a push changes nothing in policy");
}
