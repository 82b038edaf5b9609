//! Repositories: listed in pages, shown, removed.

use std::time::Duration;

use bytes::Bytes;

use super::Fixture;
use crate::admin::AdminError;
use crate::domain::{Algorithm, Hasher, Precondition, RepositoryName, Tag, TagProtection};
use crate::storage::metadata::{Cause, Change, NewManifest};

/// Another process pushes a manifest with two tags.
pub(super) async fn push(fixture: &Fixture, repository: &str) {
    let content = Bytes::from(format!("{{\"of\":\"{repository}\"}}"));
    let manifest = NewManifest {
        digest: Hasher::digest(Algorithm::Sha256, &content),
        media_type: "application/vnd.oci.image.manifest.v1+json".parse().expect("a media type"),
        content,
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: Vec::new(),
        children: Vec::new(),
        may_be_sparse: false,
        tags: ["latest", "v1"].map(tag).to_vec(),
        precondition: Precondition::Always,
    };
    let change = Change {
        by: "user:alice".to_owned(),
        cause: Cause::Push,
        keep: Duration::ZERO,
        protection: TagProtection::default(),
    };
    fixture.other.put_manifest(&repository_name(repository), manifest, Duration::ZERO, &change).await.expect("stored");
}

fn repository_name(text: &str) -> RepositoryName {
    text.parse().expect("a name")
}

fn tag(text: &str) -> Tag {
    text.parse().expect("a tag")
}

#[tokio::test]
async fn repositories_and_tags_come_in_pages() {
    let fixture = Fixture::new().await;
    for repository in ["b", "a/x", "c"] {
        push(&fixture, repository).await;
    }
    let page = async |after: Option<&RepositoryName>| {
        let page = fixture.admin.repositories(&fixture.permit, None, after, 2).await.expect("read");
        page.0.iter().map(|repository| repository.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, ["a/x", "b"]);
    assert_eq!(page(Some(&repository_name("b"))).await, ["c"]);
    assert!(page(Some(&repository_name("c"))).await.is_empty());

    let (b, latest) = (repository_name("b"), tag("latest"));
    let tags = async |after: Option<&Tag>| {
        let page = fixture.admin.tags(&fixture.permit, &b, after, 1).await.expect("read");
        page.iter().map(|tagged| tagged.tag.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(tags(None).await, ["latest"]);
    assert_eq!(tags(Some(&latest)).await, ["v1"]);
    assert!(tags(Some(&tag("v1"))).await.is_empty());
}

#[tokio::test]
async fn a_repository_is_counted_and_removed() {
    let fixture = Fixture::new().await;
    push(&fixture, "team/app").await;
    push(&fixture, "team/other").await;
    let app = repository_name("team/app");
    let shown = fixture.admin.repository(&fixture.permit, &app).await.expect("read");
    assert_eq!((shown.tags, shown.manifests, shown.blobs, shown.bytes), (2, 1, 0, 0));
    fixture.admin.remove_repository(&fixture.permit, &app).await.expect("removed");
    assert!(!fixture.other.repository_exists(&app).await.expect("read"), "another process sees it");
    assert!(fixture.other.repository_exists(&repository_name("team/other")).await.expect("read"));
    for outcome in [
        fixture.admin.repository(&fixture.permit, &app).await.map(drop),
        fixture.admin.remove_repository(&fixture.permit, &app).await,
        fixture.admin.tags(&fixture.permit, &app, None, 1).await.map(drop),
    ] {
        let error = outcome.expect_err("refused");
        assert!(matches!(&error, AdminError::UnknownRepository(name) if *name == app));
        assert!(error.to_string().contains("portcullis repo list"), "{error}");
    }
}
