//! `portcullis quota` and `usage`: what repositories may hold, how a client is refused, and what is told of it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{json, refusal, text};
use crate::support::image::push_blob;
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Image, Server, eventually};

async fn error(response: reqwest::Response) -> Value {
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let body: Value = response.json().await.expect("JSON");
    body["errors"][0].clone()
}

#[tokio::test]
async fn a_quota_refuses_what_does_not_fit_says_what_helps_and_frees_what_is_deleted() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (first, second) = (Image::with_layer("first", vec![1; 60_000]), Image::with_layer("second", vec![2; 60_000]));
    first.push(&admin, "team/app", "v1").await;
    let set = json(&server, &["quota", "set", "--on", "team/**", "100KiB"]);
    assert_eq!((&set["limit"], &set["state"]), (&json!(102_400), &json!("counted")), "{set}");
    assert!(set["used"].as_u64().is_some_and(|used| (60_000..62_000).contains(&used)), "{set}");
    first.push(&admin, "team/copy", "v1").await;
    assert_eq!(json(&server, &["quota", "list"])[0]["used"], set["used"], "shared content counts once");

    // The layers are there, and only the manifest is refused.
    push_blob(&admin, "team/app", &second.config).await;
    push_blob(&admin, "other/app", &second.layer).await;
    let layer = crate::support::image::digest(&second.layer);
    assert_eq!(
        admin.post(&format!("/v2/team/app/blobs/uploads/?mount={layer}&from=other/app")).await.status(),
        StatusCode::CREATED
    );
    let put =
        admin.put("/v2/team/app/manifests/v2", crate::support::image::MANIFEST_TYPE, second.manifest.clone()).await;
    let refused = error(put).await;
    assert_eq!((&refused["code"], &refused["detail"]["limit"]), (&json!("DENIED"), &json!(102_400)));
    let message = refused["message"].as_str().expect("text");
    for part in ["'team/**'", "of 100 KiB", "Delete images", "portcullis quota set --on 'team/**'"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(admin.get("/v2/team/app/manifests/v2").await.status(), StatusCode::NOT_FOUND);

    for repository in ["team/app", "team/copy"] {
        let path = format!("/v2/{repository}/manifests/{}", first.digest());
        assert_eq!(admin.delete(&path).await.status(), StatusCode::ACCEPTED);
    }
    second.push(&admin, "team/app", "v2").await;

    let listed = text(&server, &["quota", "list"]);
    assert!(listed.contains("team/**") && listed.contains("100 KiB") && listed.contains("###"), "{listed}");
    let recounted = json(&server, &["usage", "--recount"]);
    assert_eq!((&recounted[0]["drift"], &recounted[0]["state"]), (&json!(0), &json!("counted")));
    server.run(&["quota", "remove", "--on", "team/**"]);
    assert_eq!(json(&server, &["quota", "list"]), json!([]));
    first.push(&admin, "team/app", "v1").await;
    let said = refusal(&server.try_run(&["quota", "remove", "--on", "team/**"], ""));
    assert!(said.contains("portcullis quota list"), "{said}");
    assert_eq!(server.try_run(&["quota", "set", "--on", "team/**", "lots"], "").status.code(), Some(2));
}

#[tokio::test]
async fn an_upload_that_cannot_fit_is_refused_before_and_while_it_is_sent() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    server.run(&["quota", "set", "--on", "team/**", "1MiB"]);
    eventually("the server knows", async || {
        let path = format!("/v2/team/app/blobs/uploads/?digest={}", crate::support::image::digest(&[0; 2 << 20]));
        let request = admin.bare(Method::POST, &path).body(vec![0; 2 << 20]);
        admin.send(request).await.status() == StatusCode::FORBIDDEN
    })
    .await;
    let opened = admin.post("/v2/team/app/blobs/uploads/").await;
    assert_eq!(opened.status(), StatusCode::ACCEPTED, "something still fits");
    let location = opened.headers()["location"].to_str().expect("text").to_owned();
    let fits = admin.bare(Method::PATCH, &location).body(vec![7; 1 << 19]);
    assert_eq!(admin.send(fits).await.status(), StatusCode::ACCEPTED);
    let chunks = (0..32).map(|_| Ok::<_, std::io::Error>(vec![7_u8; 1 << 16]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let token = admin.token(&["repository:team/app:pull,push"]).await.expect("a token");
    let streamed = admin.with_token(Method::PATCH, &location, &token).body(body).send().await.expect("an answer");
    let refused = error(streamed).await;
    assert_eq!(refused["code"], "DENIED", "{refused}");
    server.run(&["quota", "set", "--on", "team/**", "0B"]);
    eventually("nothing fits", async || {
        admin.post("/v2/team/app/blobs/uploads/").await.status() == StatusCode::FORBIDDEN
    })
    .await;
    let elsewhere = admin.post("/v2/other/app/blobs/uploads/").await;
    assert_eq!(elsewhere.status(), StatusCode::ACCEPTED, "no quota covers it");
}

#[tokio::test]
async fn usage_shows_each_namespace_with_what_its_removal_would_free() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let base = vec![1; 50_000];
    for (repository, seed) in [("team/a", "one"), ("team/b", "two"), ("other/c", "three"), ("single", "four")] {
        Image::with_layer(seed, base.clone()).push(&admin, repository, "latest").await;
    }
    Image::with_layer("five", vec![5; 30_000]).push(&admin, "team/a", "large").await;
    server.run(&["quota", "set", "--on", "team/**", "1MiB"]);
    let usage = json(&server, &["usage"]);
    let names: Vec<_> = usage.as_array().expect("a list").iter().map(|namespace| &namespace["namespace"]).collect();
    assert_eq!(names, ["other", "single", "team"]);
    let team = &usage[2];
    assert_eq!((&team["repositories"], &team["tags"]), (&json!(2), &json!(3)), "{team}");
    assert_eq!(team["unique_bytes"], team["quota"]["used"], "{team}");
    let bytes = |key: &str| team[key].as_u64().expect("a number");
    assert!(bytes("logical_bytes") > bytes("unique_bytes") + 49_000, "{team}");
    assert!((30_000..33_000).contains(&bytes("freed_by_removal")), "others have the base: {team}");
    let chosen = json(&server, &["usage", "team/a"]);
    assert_eq!((chosen.as_array().map(Vec::len), &chosen[0]["repositories"]), (Some(1), &json!(1)));
    let table = text(&server, &["usage"]);
    assert!(table.starts_with("NAMESPACE") && table.contains("1 MiB") && table.contains("of all"), "{table}");

    let shown = json(&server, &["repo", "show", "team/a"]);
    assert!(shown["freed_by_removal"].as_u64().is_some_and(|freed| (30_000..32_000).contains(&freed)), "{shown}");
    assert!(shown["freed_at"].is_string(), "{shown}");
    let listed = json(&server, &["repo", "list", "team/*"]);
    assert_eq!((&listed[0]["name"], &listed[1]["name"]), (&json!("team/a"), &json!("team/b")));
    assert_eq!(listed[0]["unique_bytes"], shown["unique_bytes"]);
}
