//! The contract of manifests: they come back as they were put, and what they need is there.

use portcullis::domain::{Precondition, TagProtection};
use portcullis::storage::metadata::{NewManifest, PutOutcome};

use super::content::{OCI, at_once, blob, link, manifest, name, put, sha256, tag, tag_target};
use super::subject::MetadataSubject;

metadata_contract! {
    manifests_come_back_as_they_were_put,
    what_a_manifest_needs_must_be_there,
    children_may_be_manifests_or_blobs,
    preconditions_hold_of_the_first_tag,
    a_deleted_manifest_takes_its_tags_along,
    an_index_may_come_before_its_children,
    of_two_that_create_a_tag_one_does,
}

async fn manifests_come_back_as_they_were_put(store: &MetadataSubject) {
    let new = manifest("{\"as\": \"put\"}\n", &["v1", "latest"]);
    assert_eq!(put(&**store, "put/here", new.clone()).await, PutOutcome::Stored);
    assert_eq!(put(&**store, "put/here", new.clone()).await, PutOutcome::Stored, "again");
    let found = store.manifest(&name("put/here"), &new.digest).await.expect("read").expect("there");
    assert_eq!((&found.content, found.media_type.as_str(), &found.digest), (&new.content, OCI, &new.digest));
    for tag in ["v1", "latest"] {
        assert_eq!(tag_target(&**store, "put/here", tag).await, Some(new.digest.clone()));
    }
    assert_eq!(tag_target(&**store, "put/here", "v2").await, None);
    assert_eq!(tag_target(&**store, "put/elsewhere", "v1").await, None);
    assert_eq!(store.manifest(&name("put/elsewhere"), &new.digest).await.expect("read"), None, "rights depend on rows");

    // Moving a tag leaves the other one, and the manifest.
    let other = manifest("other", &["latest"]);
    put(&**store, "put/here", other.clone()).await;
    assert_eq!(tag_target(&**store, "put/here", "latest").await, Some(other.digest));
    assert_eq!(tag_target(&**store, "put/here", "v1").await, Some(new.digest));
}

async fn what_a_manifest_needs_must_be_there(store: &MetadataSubject) {
    let (here, elsewhere) = (blob(6, 10), blob(7, 10));
    link(&**store, "needs/here", &here).await;
    link(&**store, "needs/elsewhere", &elsewhere).await;
    put(&**store, "needs/elsewhere", manifest("foreign child", &[])).await;
    let mut new = manifest("needs", &["v1"]);
    let absent = sha256(b"absent");
    new.blobs = vec![absent.clone(), here.digest.clone(), elsewhere.digest.clone(), absent.clone()];
    new.children = vec![sha256(b"foreign child"), absent.clone()];
    let missing = vec![absent, elsewhere.digest.clone(), sha256(b"foreign child")];
    assert_eq!(put(&**store, "needs/here", new.clone()).await, PutOutcome::Missing(missing));
    assert_eq!(store.manifest(&name("needs/here"), &new.digest).await.expect("read"), None);
    assert_eq!(tag_target(&**store, "needs/here", "v1").await, None);

    new.children.clear();
    new.blobs = vec![here.digest.clone(), here.digest.clone()];
    assert_eq!(put(&**store, "needs/here", new).await, PutOutcome::Stored);
    // The protocol lets a referenced blob be deleted; a new manifest then misses it.
    assert!(store.unlink_blob(&name("needs/here"), &here.digest, &TagProtection::default()).await.expect("unlinked"));
    let again = NewManifest { blobs: vec![here.digest.clone()], ..manifest("again", &[]) };
    assert_eq!(put(&**store, "needs/here", again).await, PutOutcome::Missing(vec![here.digest]));
}

async fn children_may_be_manifests_or_blobs(store: &MetadataSubject) {
    let cache = blob(8, 10);
    link(&**store, "children", &cache).await;
    put(&**store, "children", manifest("child", &[])).await;
    let children = vec![sha256(b"child"), cache.digest.clone()];
    let index = NewManifest { children, ..manifest("index", &["v1"]) };
    assert_eq!(put(&**store, "children", index.clone()).await, PutOutcome::Stored);
    // A child can be deleted and put again under its index.
    assert!(store.delete_manifest(&name("children"), &sha256(b"child"), &at_once()).await.expect("deleted"));
    assert_eq!(tag_target(&**store, "children", "v1").await, Some(index.digest.clone()));
    assert_eq!(put(&**store, "children", index.clone()).await, PutOutcome::Missing(vec![sha256(b"child")]));
    put(&**store, "children", manifest("child", &[])).await;
    assert_eq!(put(&**store, "children", index).await, PutOutcome::Stored);
}

async fn preconditions_hold_of_the_first_tag(store: &MetadataSubject) {
    let with = |text: &str, precondition| NewManifest { precondition, ..manifest(text, &["v1", "second"]) };
    let points_to =
        |texts: &[&str]| Precondition::PointsToAny(texts.iter().map(|text| sha256(text.as_bytes())).collect());
    for refused in [Precondition::Exists, points_to(&["a"]), points_to(&[])] {
        assert_eq!(put(&**store, "condition", with("a", refused)).await, PutOutcome::PreconditionFailed);
    }
    assert!(!store.repository_exists(&name("condition")).await.expect("read"));
    assert_eq!(put(&**store, "condition", with("a", Precondition::Absent)).await, PutOutcome::Stored);
    for refused in [Precondition::Absent, points_to(&["b", "c"])] {
        assert_eq!(put(&**store, "condition", with("b", refused)).await, PutOutcome::PreconditionFailed);
    }
    assert_eq!(store.manifest(&name("condition"), &sha256(b"b")).await.expect("read"), None);
    assert_eq!(tag_target(&**store, "condition", "second").await, Some(sha256(b"a")));
    assert_eq!(put(&**store, "condition", with("b", points_to(&["x", "a"]))).await, PutOutcome::Stored);
    assert_eq!(put(&**store, "condition", with("c", Precondition::Exists)).await, PutOutcome::Stored);
    assert_eq!(tag_target(&**store, "condition", "second").await, Some(sha256(b"c")));
}

async fn a_deleted_manifest_takes_its_tags_along(store: &MetadataSubject) {
    put(&**store, "delete", manifest("one", &["a", "b"])).await;
    put(&**store, "delete", manifest("two", &["c"])).await;
    let repository = name("delete");
    assert!(store.delete_tag(&repository, &tag("b"), &at_once()).await.expect("deleted"));
    assert!(!store.delete_tag(&repository, &tag("b"), &at_once()).await.expect("gone"));
    assert!(!store.delete_tag(&name("nowhere"), &tag("b"), &at_once()).await.expect("nothing there"));
    assert!(store.manifest(&repository, &sha256(b"one")).await.expect("read").is_some(), "the tag alone");
    assert!(store.delete_manifest(&repository, &sha256(b"one"), &at_once()).await.expect("deleted"));
    assert!(!store.delete_manifest(&repository, &sha256(b"one"), &at_once()).await.expect("gone"));
    assert_eq!(tag_target(&**store, "delete", "a").await, None);
    assert_eq!(tag_target(&**store, "delete", "c").await, Some(sha256(b"two")));
}

async fn an_index_may_come_before_its_children(store: &MetadataSubject) {
    let (layer, absent) = (blob(31, 10), sha256(b"never there"));
    let children = vec![sha256(b"late child"), layer.digest.clone(), absent.clone()];
    let index = NewManifest { children, ..manifest("sparse index", &["v1"]) };
    let everything = vec![sha256(b"late child"), layer.digest.clone(), absent.clone()];
    assert_eq!(put(&**store, "sparse", index.clone()).await, PutOutcome::Missing(everything), "unless it is allowed");
    let index = NewManifest { may_be_sparse: true, ..index };
    assert_eq!(put(&**store, "sparse", index.clone()).await, PutOutcome::Stored);
    assert_eq!(tag_target(&**store, "sparse", "v1").await, Some(index.digest.clone()));
    let layers = NewManifest { blobs: vec![absent.clone()], may_be_sparse: true, ..manifest("an image", &[]) };
    assert_eq!(put(&**store, "sparse", layers).await, PutOutcome::Missing(vec![absent]), "images need their layers");
    link(&**store, "sparse", &layer).await;
    put(&**store, "sparse", manifest("late child", &[])).await;
    assert!(store.delete_manifest(&name("sparse"), &index.digest, &at_once()).await.expect("deleted"));
    assert!(store.manifest(&name("sparse"), &sha256(b"late child")).await.expect("read").is_some());
}

async fn of_two_that_create_a_tag_one_does(store: &MetadataSubject) {
    let other = store.other().await;
    let create = |text: &str| NewManifest { precondition: Precondition::Absent, ..manifest(text, &["v1"]) };
    let (one, two) = tokio::join!(put(&**store, "race", create("one")), put(&*other, "race", create("two")));
    assert!((one == PutOutcome::Stored) != (two == PutOutcome::Stored), "{one:?}, {two:?}");
    let winner = if one == PutOutcome::Stored { "one" } else { "two" };
    assert_eq!(tag_target(&*other, "race", "v1").await, Some(sha256(winner.as_bytes())));
}
