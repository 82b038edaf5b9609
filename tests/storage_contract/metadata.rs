//! The contract of `Metadata`: repositories, manifests, tags, links, uploads.

use portcullis::domain::{Algorithm, Digest, Tag, UploadId};
use portcullis::storage::StorageError;
use portcullis::storage::blobs::{BlobKey, StagingArea, StagingState};
use portcullis::storage::metadata::{
    BlobRecord, Metadata, NewManifest, Precondition, PutOutcome, RepositorySummary, SavedUpload, UploadProgress,
    UploadRecord,
};

use crate::support::{LEASE, content, name, sha256, sqlite};

pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// Everything that holds for every backend. Each part keeps to repositories of its own.
pub(crate) async fn whole_contract(store: &dyn Metadata) {
    repositories_begin_with_their_first_content(store).await;
    repositories_are_listed_in_pages(store).await;
    a_summary_counts(store).await;
    a_removed_repository_takes_everything_along(store).await;
    manifests_come_back_as_they_were_put(store).await;
    what_a_manifest_needs_must_be_there(store).await;
    children_may_be_manifests_or_blobs(store).await;
    preconditions_hold_of_the_first_tag(store).await;
    a_deleted_manifest_takes_its_tags_along(store).await;
    tags_are_listed_in_pages(store).await;
    links_are_rights(store).await;
    a_known_blob_keeps_its_key(store).await;
    mounts_need_the_source(store).await;
    uploads_belong_to_repository_and_subject(store).await;
    stale_uploads_are_found(store).await;
    an_owner_has_so_many_uploads(store).await;
    crate::lists::contract(store).await;
    crate::generations::contract(store).await;
    store.ping().await.expect("writable");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    whole_contract(&*sqlite(folder.path()).await).await;
}

pub(crate) fn manifest(text: &str, tags: &[&str]) -> NewManifest {
    NewManifest {
        digest: sha256(text.as_bytes()),
        media_type: OCI.parse().expect("valid"),
        content: text.to_owned().into(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: Vec::new(),
        children: Vec::new(),
        may_be_sparse: false,
        tags: tags.iter().map(|text| tag(text)).collect(),
        precondition: Precondition::Always,
    }
}

pub(crate) fn blob(seed: u64, size: usize) -> BlobRecord {
    let digest = sha256(&content(size, seed));
    BlobRecord { key: BlobKey(digest.to_string()), digest, size: size as u64 }
}

fn tag(text: &str) -> Tag {
    text.parse().expect("a tag")
}

pub(crate) async fn put(store: &dyn Metadata, repository: &str, manifest: NewManifest) -> PutOutcome {
    store.put_manifest(&name(repository), manifest, LEASE).await.expect("put")
}

pub(crate) async fn link(store: &dyn Metadata, repository: &str, blob: &BlobRecord) {
    store.link_blob(&name(repository), blob.clone(), None, LEASE).await.expect("linked");
}

pub(crate) async fn tag_target(store: &dyn Metadata, repository: &str, text: &str) -> Option<Digest> {
    store.manifest_by_tag(&name(repository), &tag(text)).await.expect("read").map(|found| found.digest)
}

async fn repositories_begin_with_their_first_content(store: &dyn Metadata) {
    for repository in ["begin/by-blob", "begin/by-manifest", "begin/by-mount"] {
        assert!(!store.repository_exists(&name(repository)).await.expect("read"));
        assert_eq!(store.tags(&name(repository), None, 10).await.expect("read"), None);
        assert_eq!(store.repository_summary(&name(repository)).await.expect("read"), None);
    }
    let missing = NewManifest { blobs: vec![sha256(b"absent")], ..manifest("begin", &["v1"]) };
    put(store, "begin/by-manifest", missing).await;
    assert!(!store.repository_exists(&name("begin/by-manifest")).await.expect("read"), "nothing was stored");

    link(store, "begin/by-blob", &blob(1, 10)).await;
    assert_eq!(put(store, "begin/by-manifest", manifest("begin", &[])).await, PutOutcome::Stored);
    let (from, to) = (name("begin/by-blob"), name("begin/by-mount"));
    assert!(store.mount_blob(&from, &to, &blob(1, 10).digest, LEASE).await.expect("mounted"));
    for repository in ["begin/by-blob", "begin/by-manifest", "begin/by-mount"] {
        assert!(store.repository_exists(&name(repository)).await.expect("read"));
        assert_eq!(store.tags(&name(repository), None, 10).await.expect("read"), Some(Vec::new()));
        assert_eq!(store.tags(&name(repository), None, 0).await.expect("read"), Some(Vec::new()));
    }
}

async fn repositories_are_listed_in_pages(store: &dyn Metadata) {
    let mut expected = ["list/b", "list/a", "list-x", "list/a/b", "list/a-b", "list/a.b", "list/a_b"];
    for repository in expected {
        link(store, repository, &blob(2, 10)).await;
    }
    expected.sort_unstable();
    let (mut after, mut found) = ("list".to_owned(), Vec::new());
    loop {
        let page = store.repositories(Some(&after), 2).await.expect("read");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = last.to_string();
        found.extend(page.iter().map(ToString::to_string).filter(|found| found.starts_with("list")));
    }
    assert_eq!(found, expected);
    assert!(store.repositories(None, 0).await.expect("read").is_empty());
    assert!(store.repositories(None, 1000).await.expect("read").len() >= expected.len());
    assert!(store.repositories(Some("zzzz"), 1000).await.expect("read").is_empty());
}

async fn a_summary_counts(store: &dyn Metadata) {
    for blob in [blob(3, 100), blob(4, 23), blob(4, 23)] {
        link(store, "summary", &blob).await;
    }
    put(store, "summary", manifest("one", &["a", "b"])).await;
    put(store, "summary", manifest("two", &["c"])).await;
    let summary = store.repository_summary(&name("summary")).await.expect("read").expect("exists");
    let created_at = summary.created_at;
    assert!(created_at > 1_700_000_000);
    let name = name("summary");
    assert_eq!(summary, RepositorySummary { name, tags: 3, manifests: 2, blobs: 2, bytes: 123, created_at });
}

async fn a_removed_repository_takes_everything_along(store: &dyn Metadata) {
    let shared = blob(5, 10);
    link(store, "remove/this", &shared).await;
    link(store, "remove/other", &shared).await;
    let mut new = manifest("remove", &["v1"]);
    new.blobs = vec![shared.digest.clone()];
    put(store, "remove/this", new.clone()).await;
    let mut index = manifest("remove index", &["v2"]);
    index.children = vec![new.digest.clone()];
    put(store, "remove/this", index).await;
    let session = upload("remove/this", "user:a");
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));

    let this = name("remove/this");
    assert!(store.remove_repository(&this).await.expect("removed"));
    assert!(!store.remove_repository(&this).await.expect("gone"));
    assert!(!store.repository_exists(&this).await.expect("read"));
    assert_eq!(store.manifest(&this, &new.digest).await.expect("read"), None);
    assert_eq!(tag_target(store, "remove/this", "v1").await, None);
    assert_eq!(store.blob(&this, &shared.digest).await.expect("read"), None);
    assert_eq!(store.upload(&this, "user:a", session.id).await.expect("read"), None);
    assert_eq!(store.blob(&name("remove/other"), &shared.digest).await.expect("read"), Some(shared));
}

async fn manifests_come_back_as_they_were_put(store: &dyn Metadata) {
    let new = manifest("{\"as\": \"put\"}\n", &["v1", "latest"]);
    assert_eq!(put(store, "put/here", new.clone()).await, PutOutcome::Stored);
    assert_eq!(put(store, "put/here", new.clone()).await, PutOutcome::Stored, "again");
    let found = store.manifest(&name("put/here"), &new.digest).await.expect("read").expect("there");
    assert_eq!((&found.content, found.media_type.as_str(), &found.digest), (&new.content, OCI, &new.digest));
    for tag in ["v1", "latest"] {
        assert_eq!(tag_target(store, "put/here", tag).await, Some(new.digest.clone()));
    }
    assert_eq!(tag_target(store, "put/here", "v2").await, None);
    assert_eq!(tag_target(store, "put/elsewhere", "v1").await, None);
    assert_eq!(store.manifest(&name("put/elsewhere"), &new.digest).await.expect("read"), None, "rights hang on rows");

    // Moving a tag leaves the other one, and the manifest.
    let other = manifest("other", &["latest"]);
    put(store, "put/here", other.clone()).await;
    assert_eq!(tag_target(store, "put/here", "latest").await, Some(other.digest));
    assert_eq!(tag_target(store, "put/here", "v1").await, Some(new.digest));
}

async fn what_a_manifest_needs_must_be_there(store: &dyn Metadata) {
    let (here, elsewhere) = (blob(6, 10), blob(7, 10));
    link(store, "needs/here", &here).await;
    link(store, "needs/elsewhere", &elsewhere).await;
    put(store, "needs/elsewhere", manifest("foreign child", &[])).await;
    let mut new = manifest("needs", &["v1"]);
    let absent = sha256(b"absent");
    new.blobs = vec![absent.clone(), here.digest.clone(), elsewhere.digest.clone(), absent.clone()];
    new.children = vec![sha256(b"foreign child"), absent.clone()];
    let missing = vec![absent, elsewhere.digest.clone(), sha256(b"foreign child")];
    assert_eq!(put(store, "needs/here", new.clone()).await, PutOutcome::Missing(missing));
    assert_eq!(store.manifest(&name("needs/here"), &new.digest).await.expect("read"), None);
    assert_eq!(tag_target(store, "needs/here", "v1").await, None);

    new.children.clear();
    new.blobs = vec![here.digest.clone(), here.digest.clone()];
    assert_eq!(put(store, "needs/here", new).await, PutOutcome::Stored);
    // The protocol lets a referenced blob be deleted; a new manifest then misses it.
    assert!(store.unlink_blob(&name("needs/here"), &here.digest).await.expect("unlinked"));
    let again = NewManifest { blobs: vec![here.digest.clone()], ..manifest("again", &[]) };
    assert_eq!(put(store, "needs/here", again).await, PutOutcome::Missing(vec![here.digest]));
}

async fn children_may_be_manifests_or_blobs(store: &dyn Metadata) {
    let cache = blob(8, 10);
    link(store, "children", &cache).await;
    put(store, "children", manifest("child", &[])).await;
    let children = vec![sha256(b"child"), cache.digest.clone()];
    let index = NewManifest { children, ..manifest("index", &["v1"]) };
    assert_eq!(put(store, "children", index.clone()).await, PutOutcome::Stored);
    // A child can be deleted and put again under its index.
    assert!(store.delete_manifest(&name("children"), &sha256(b"child")).await.expect("deleted"));
    assert_eq!(tag_target(store, "children", "v1").await, Some(index.digest.clone()));
    assert_eq!(put(store, "children", index.clone()).await, PutOutcome::Missing(vec![sha256(b"child")]));
    put(store, "children", manifest("child", &[])).await;
    assert_eq!(put(store, "children", index).await, PutOutcome::Stored);
}

async fn preconditions_hold_of_the_first_tag(store: &dyn Metadata) {
    let with = |text: &str, precondition| NewManifest { precondition, ..manifest(text, &["v1", "second"]) };
    let points_to =
        |texts: &[&str]| Precondition::PointsToAny(texts.iter().map(|text| sha256(text.as_bytes())).collect());
    for refused in [Precondition::Exists, points_to(&["a"]), points_to(&[])] {
        assert_eq!(put(store, "condition", with("a", refused)).await, PutOutcome::PreconditionFailed);
    }
    assert!(!store.repository_exists(&name("condition")).await.expect("read"));
    assert_eq!(put(store, "condition", with("a", Precondition::Absent)).await, PutOutcome::Stored);
    for refused in [Precondition::Absent, points_to(&["b", "c"])] {
        assert_eq!(put(store, "condition", with("b", refused)).await, PutOutcome::PreconditionFailed);
    }
    assert_eq!(store.manifest(&name("condition"), &sha256(b"b")).await.expect("read"), None);
    assert_eq!(tag_target(store, "condition", "second").await, Some(sha256(b"a")));
    assert_eq!(put(store, "condition", with("b", points_to(&["x", "a"]))).await, PutOutcome::Stored);
    assert_eq!(put(store, "condition", with("c", Precondition::Exists)).await, PutOutcome::Stored);
    assert_eq!(tag_target(store, "condition", "second").await, Some(sha256(b"c")));
}

async fn a_deleted_manifest_takes_its_tags_along(store: &dyn Metadata) {
    put(store, "delete", manifest("one", &["a", "b"])).await;
    put(store, "delete", manifest("two", &["c"])).await;
    let repository = name("delete");
    assert!(store.delete_tag(&repository, &tag("b")).await.expect("deleted"));
    assert!(!store.delete_tag(&repository, &tag("b")).await.expect("gone"));
    assert!(!store.delete_tag(&name("nowhere"), &tag("b")).await.expect("nothing there"));
    assert!(store.manifest(&repository, &sha256(b"one")).await.expect("read").is_some(), "the tag alone");
    assert!(store.delete_manifest(&repository, &sha256(b"one")).await.expect("deleted"));
    assert!(!store.delete_manifest(&repository, &sha256(b"one")).await.expect("gone"));
    assert_eq!(tag_target(store, "delete", "a").await, None);
    assert_eq!(tag_target(store, "delete", "c").await, Some(sha256(b"two")));
}

async fn tags_are_listed_in_pages(store: &dyn Metadata) {
    let mut expected = ["v1.10", "v1.2", "latest", "V1", "_x", "0", "v1.10-rc"];
    put(store, "tags", manifest("tagged", &expected)).await;
    expected.sort_unstable();
    let repository = name("tags");
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.tags(&repository, after.as_deref(), 3).await.expect("read").expect("exists");
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.tag.to_string());
        assert!(page.iter().all(|found| found.digest == sha256(b"tagged") && found.updated_at > 1_700_000_000));
        found.extend(page.iter().map(|found| found.tag.to_string()));
    }
    assert_eq!(found, expected);
    let after_absent = store.tags(&repository, Some("v1.1"), 1).await.expect("read").expect("exists");
    assert_eq!(after_absent[0].tag.as_str(), "v1.10");
}

async fn links_are_rights(store: &dyn Metadata) {
    let blob = blob(9, 42);
    let session = upload("links/here", "user:a");
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    store.link_blob(&name("links/here"), blob.clone(), Some(session.id), LEASE).await.expect("linked");
    assert_eq!(store.upload(&name("links/here"), "user:a", session.id).await.expect("read"), None, "it has ended");
    store.link_blob(&name("links/here"), blob.clone(), Some(session.id), LEASE).await.expect("linked again");
    assert_eq!(store.blob(&name("links/here"), &blob.digest).await.expect("read"), Some(blob.clone()));
    assert_eq!(store.blob(&name("links/elsewhere"), &blob.digest).await.expect("read"), None);
    assert!(store.unlink_blob(&name("links/here"), &blob.digest).await.expect("unlinked"));
    assert!(!store.unlink_blob(&name("links/here"), &blob.digest).await.expect("gone"));
    assert_eq!(store.blob(&name("links/here"), &blob.digest).await.expect("read"), None);
}

async fn a_known_blob_keeps_its_key(store: &dyn Metadata) {
    let first = BlobRecord { key: BlobKey("first".to_owned()), ..blob(10, 42) };
    link(store, "keys", &first).await;
    let second = BlobRecord { key: BlobKey("second".to_owned()), ..first.clone() };
    link(store, "keys", &second).await;
    assert_eq!(store.blob(&name("keys"), &first.digest).await.expect("read"), Some(first));
    let longer = BlobRecord { size: 43, ..second };
    link(store, "keys", &longer).await;
    assert_eq!(store.blob(&name("keys"), &longer.digest).await.expect("read"), Some(longer.clone()));
}

async fn mounts_need_the_source(store: &dyn Metadata) {
    let blob = blob(11, 42);
    link(store, "mount/from", &blob).await;
    let (from, to, other) = (name("mount/from"), name("mount/to"), name("mount/other"));
    assert!(!store.mount_blob(&other, &to, &blob.digest, LEASE).await.expect("no source"));
    assert!(!store.mount_blob(&from, &to, &sha256(b"absent"), LEASE).await.expect("no blob"));
    assert!(!store.repository_exists(&to).await.expect("read"), "nothing was done");
    assert!(store.mount_blob(&from, &to, &blob.digest, LEASE).await.expect("mounted"));
    assert!(store.mount_blob(&from, &to, &blob.digest, LEASE).await.expect("mounted again"));
    assert_eq!(store.blob(&to, &blob.digest).await.expect("read"), Some(blob));
}

fn progress(length: u64) -> UploadProgress {
    let staging = Some(StagingState(length.to_be_bytes().to_vec()));
    UploadProgress { algorithm: Algorithm::Sha256, length, hash_state: vec![1, 2, 3], staging }
}

fn upload(repository: &str, subject: &str) -> UploadRecord {
    UploadRecord {
        id: UploadId::generate(),
        repository: name(repository),
        subject: subject.to_owned(),
        owner: subject.to_owned(),
        progress: progress(0),
        updated_at: 0,
    }
}

async fn uploads_belong_to_repository_and_subject(store: &dyn Metadata) {
    let session = upload("uploads/here", "user:alice");
    let (here, id) = (name("uploads/here"), session.id);
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    assert!(!store.repository_exists(&here).await.expect("read"));
    let found = store.upload(&here, "user:alice", id).await.expect("read").expect("there");
    assert!(found.updated_at > 1_700_000_000, "set by the store");
    assert_eq!(found, UploadRecord { updated_at: found.updated_at, ..session });
    assert_eq!(store.upload(&here, "user:bob", id).await.expect("read"), None);
    assert_eq!(store.upload(&name("uploads/elsewhere"), "user:alice", id).await.expect("read"), None);

    let far =
        UploadProgress { algorithm: Algorithm::Sha512, hash_state: vec![4, 5], staging: None, ..progress(1 << 40) };
    assert_eq!(store.save_upload(id, 0, far.clone()).await.expect("saved"), SavedUpload::Saved);
    let found = store.upload(&here, "user:alice", id).await.expect("read").expect("there");
    assert_eq!(found.progress, far);
    let impossible = store.save_upload(id, 1 << 40, progress(u64::MAX)).await;
    assert!(matches!(impossible, Err(StorageError::Damaged(_))));

    assert!(store.delete_upload(id).await.expect("deleted"));
    assert!(!store.delete_upload(id).await.expect("gone"));
    assert_eq!(store.save_upload(id, 1 << 40, progress(1)).await.expect("answered"), SavedUpload::Gone);
}

async fn stale_uploads_are_found(store: &dyn Metadata) {
    let session = upload("stale", "user:alice");
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));
    let now = store.upload(&name("stale"), "user:alice", session.id).await.expect("read").expect("there").updated_at;
    assert!(!store.stale_uploads(now, 0, 100).await.expect("read").contains(&session.id));
    assert!(store.stale_uploads(now + 1, 0, 100).await.expect("read").contains(&session.id));
    assert!(store.stale_uploads(now + 1, 0, 0).await.expect("read").is_empty());
    assert!(store.stale_uploads(now + 1, 1000, 100).await.expect("read").is_empty());

    // Progress since the look keeps a session.
    let ids = vec![session.id, UploadId::generate()];
    assert!(store.delete_stale_uploads(now, ids.clone()).await.expect("deleted").is_empty());
    assert_eq!(
        store.delete_stale_uploads(now + 1, ids).await.expect("deleted"),
        [StagingArea { upload: session.id, backend: session.progress.staging }]
    );
    assert!(!store.upload_exists(session.id).await.expect("read"));
}

async fn an_owner_has_so_many_uploads(store: &dyn Metadata) {
    let session = || UploadRecord { id: UploadId::generate(), ..upload("crowded", "user:carol") };
    let first = session();
    assert!(store.create_upload(first.clone(), 2).await.expect("stored"));
    assert!(store.create_upload(session(), 2).await.expect("stored"));
    let third = session();
    assert!(!store.create_upload(third.clone(), 2).await.expect("refused"));
    assert!(!store.upload_exists(third.id).await.expect("read"), "nothing was stored");
    let other = UploadRecord { owner: "user:dave".to_owned(), ..session() };
    assert!(store.create_upload(other, 2).await.expect("another owner"));
    assert!(store.delete_upload(first.id).await.expect("deleted"));
    assert!(store.create_upload(third, 2).await.expect("there is room again"));
    assert!(!store.create_upload(session(), 0).await.expect("none at all"));
}
