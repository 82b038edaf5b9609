//! The contract of repositories: they begin with their first content, are listed in the order of their bytes, and take everything along.

use portcullis::storage::metadata::{NewManifest, PutOutcome, RepositorySummary};

use super::content::{LEASE, at_once, blob, link, manifest, name, put, sha256, tag_target};
use super::subject::{BEGIN, MetadataSubject};
use super::uploads::upload;

metadata_contract! {
    repositories_begin_with_their_first_content,
    repositories_are_listed_in_pages,
    a_summary_counts,
    a_removed_repository_takes_everything_along,
}

async fn repositories_begin_with_their_first_content(store: &MetadataSubject) {
    for repository in ["begin/by-blob", "begin/by-manifest", "begin/by-mount"] {
        assert!(!store.repository_exists(&name(repository)).await.expect("read"));
        assert_eq!(store.tags(&name(repository), None, 10).await.expect("read"), None);
        assert_eq!(store.repository_summary(&name(repository)).await.expect("read"), None);
    }
    let missing = NewManifest { blobs: vec![sha256(b"absent")], ..manifest("begin", &["v1"]) };
    put(&**store, "begin/by-manifest", missing).await;
    assert!(!store.repository_exists(&name("begin/by-manifest")).await.expect("read"), "nothing was stored");

    link(&**store, "begin/by-blob", &blob(1, 10)).await;
    assert_eq!(put(&**store, "begin/by-manifest", manifest("begin", &[])).await, PutOutcome::Stored);
    let (from, to) = (name("begin/by-blob"), name("begin/by-mount"));
    assert!(store.mount_blob(&from, &to, &blob(1, 10).digest, LEASE).await.expect("mounted"));
    for repository in ["begin/by-blob", "begin/by-manifest", "begin/by-mount"] {
        assert!(store.repository_exists(&name(repository)).await.expect("read"));
        assert_eq!(store.tags(&name(repository), None, 10).await.expect("read"), Some(Vec::new()));
        assert_eq!(store.tags(&name(repository), None, 0).await.expect("read"), Some(Vec::new()));
    }
}

async fn repositories_are_listed_in_pages(store: &MetadataSubject) {
    let mut expected = ["list/b", "list/a", "list-x", "list/a/b", "list/a-b", "list/a.b", "list/a_b"];
    for repository in expected {
        link(&**store, repository, &blob(2, 10)).await;
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

async fn a_summary_counts(store: &MetadataSubject) {
    for blob in [blob(3, 100), blob(4, 23), blob(4, 23)] {
        link(&**store, "summary", &blob).await;
    }
    put(&**store, "summary", manifest("one", &["a", "b"])).await;
    put(&**store, "summary", manifest("two", &["c"])).await;
    let summary = store.repository_summary(&name("summary")).await.expect("read").expect("exists");
    let name = name("summary");
    assert_eq!(summary, RepositorySummary { name, tags: 3, manifests: 2, blobs: 2, bytes: 123, created_at: BEGIN });
}

async fn a_removed_repository_takes_everything_along(store: &MetadataSubject) {
    let shared = blob(5, 10);
    link(&**store, "remove/this", &shared).await;
    link(&**store, "remove/other", &shared).await;
    let mut new = manifest("remove", &["v1"]);
    new.blobs = vec![shared.digest.clone()];
    put(&**store, "remove/this", new.clone()).await;
    let mut index = manifest("remove index", &["v2"]);
    index.children = vec![new.digest.clone()];
    put(&**store, "remove/this", index).await;
    let session = upload("remove/this", "user:a");
    assert!(store.create_upload(session.clone(), 1000).await.expect("stored"));

    let this = name("remove/this");
    assert!(store.remove_repository(&this, &at_once()).await.expect("removed"));
    assert!(!store.remove_repository(&this, &at_once()).await.expect("gone"));
    assert!(!store.repository_exists(&this).await.expect("read"));
    assert_eq!(store.manifest(&this, &new.digest).await.expect("read"), None);
    assert_eq!(tag_target(&**store, "remove/this", "v1").await, None);
    assert_eq!(store.blob(&this, &shared.digest).await.expect("read"), None);
    assert_eq!(store.upload(&this, "user:a", session.id).await.expect("read"), None);
    assert_eq!(
        store.blob(&name("remove/other"), &shared.digest).await.expect("read").map(|linked| linked.blob),
        Some(shared)
    );
}
