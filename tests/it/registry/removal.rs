//! What the command line removes while the server runs, and what is pushed or deleted, is seen by the next request.

use reqwest::StatusCode;

use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Image, Server};

#[tokio::test]
async fn a_repository_that_is_removed_is_gone_without_any_other_change() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (image, other) = (Image::of("removed"), Image::of("pushed again"));
    image.push(&admin, "app", "v1").await;
    let by_tag = "/v2/app/manifests/v1".to_owned();
    let by_digest = format!("/v2/app/manifests/{}", image.digest());
    for path in [&by_tag, &by_digest] {
        // Twice, so that it is remembered.
        assert_eq!(admin.get(path).await.status(), StatusCode::OK);
        assert_eq!(admin.get(path).await.status(), StatusCode::OK);
    }
    server.run(&["repo", "remove", "app"]);
    for path in [&by_tag, &by_digest] {
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
