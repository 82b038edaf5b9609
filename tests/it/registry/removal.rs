//! What the command line removes while the server runs, and what is pushed or deleted, is seen by the next request.

use reqwest::StatusCode;

use crate::support::image::{digest, push_blob};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Image, Server, eventually};

#[tokio::test]
async fn a_repository_that_is_removed_is_gone_without_any_other_change() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (image, other) = (Image::of("removed"), Image::of("pushed again"));
    image.push(&admin, "app", "v1").await;
    let by_tag = "/v2/app/manifests/v1".to_owned();
    let by_digest = format!("/v2/app/manifests/{}", image.digest());
    let blob = format!("/v2/app/blobs/{}", digest(&image.layer));
    for path in [&by_tag, &by_digest, &blob] {
        // Twice, so that it is remembered.
        assert_eq!(admin.get(path).await.status(), StatusCode::OK);
        assert_eq!(admin.get(path).await.status(), StatusCode::OK);
    }
    server.run(&["repo", "remove", "app"]);
    for path in [&by_tag, &by_digest, &blob] {
        assert_eq!(admin.get(path).await.status(), StatusCode::NOT_FOUND, "by the very next pull");
        assert_eq!(admin.head(path).await.status(), StatusCode::NOT_FOUND);
    }
    other.push(&admin, "app", "v1").await;
    assert_eq!(admin.get(&by_tag).await.bytes().await.expect("a manifest"), other.manifest);
    assert_eq!(admin.get(&by_digest).await.status(), StatusCode::NOT_FOUND, "the old one does not come back");
}

#[tokio::test]
async fn what_is_pushed_or_deleted_is_seen_by_the_next_request() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let path = "/v2/app/manifests/latest";
    for round in 0..20 {
        let image = Image::of(&format!("round {round}"));
        image.push(&admin, "app", "latest").await;
        assert_eq!(admin.get(path).await.bytes().await.expect("a manifest"), image.manifest, "round {round}");
        if round % 3 == 0 {
            assert_eq!(admin.delete(path).await.status(), StatusCode::ACCEPTED);
            assert_eq!(admin.get(path).await.status(), StatusCode::NOT_FOUND, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_blob_that_is_deleted_is_gone_at_once_and_stays_where_it_was_mounted() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let content = b"deleted and pushed again";
    let blob = push_blob(&admin, "app", content).await;
    let (here, there) = (format!("/v2/app/blobs/{blob}"), format!("/v2/other/blobs/{blob}"));
    let mount = format!("/v2/other/blobs/uploads/?mount={blob}&from=app");
    for round in 0..10 {
        for _ in 0..2 {
            assert_eq!(admin.get(&here).await.bytes().await.expect("a blob"), content.as_slice(), "round {round}");
            assert_eq!(admin.head(&here).await.status(), StatusCode::OK);
        }
        if round == 0 {
            assert_eq!(admin.post(&mount).await.status(), StatusCode::CREATED);
        }
        assert_eq!(admin.delete(&here).await.status(), StatusCode::ACCEPTED);
        assert_eq!(admin.get(&here).await.status(), StatusCode::NOT_FOUND, "round {round}");
        assert_eq!(admin.head(&here).await.status(), StatusCode::NOT_FOUND);
        let again = mount.replace("/other/", "/third/");
        assert_eq!(admin.post(&again).await.status(), StatusCode::ACCEPTED, "there is nothing to mount");
        assert_eq!(admin.get(&there).await.bytes().await.expect("a blob"), content.as_slice());
        push_blob(&admin, "app", content).await;
    }
}

#[tokio::test]
async fn a_content_that_is_lost_is_noticed_though_it_is_remembered_and_comes_back_with_the_next_push() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    for (name, content) in [("small", vec![1; 4000]), ("large", vec![2; 400_000])] {
        let blob = push_blob(&admin, "app", &content).await;
        let path = format!("/v2/app/blobs/{blob}");
        for _ in 0..2 {
            assert_eq!(admin.get(&path).await.bytes().await.expect("a blob"), content, "{name}");
        }
        let hex = blob.strip_prefix("sha256:").expect("a digest");
        std::fs::remove_file(server.data().join("blobs/sha256").join(&hex[..2]).join(hex)).expect("removed");
        assert_eq!(admin.head(&path).await.status(), StatusCode::NOT_FOUND, "{name}: at once");
        eventually("it is not served any more", async || !admin.get(&path).await.status().is_success()).await;
        push_blob(&admin, "app", &content).await;
        assert_eq!(admin.get(&path).await.bytes().await.expect("a blob"), content, "{name}");
    }
}
