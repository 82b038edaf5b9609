//! `portcullis repo`: what is in the registry, and how it is removed.

use reqwest::StatusCode;
use serde_json::json;

use super::{json, refusal, text};
use crate::support::{Image, Server, eventually};

#[tokio::test]
async fn an_operator_sees_what_is_in_the_registry_and_removes_a_repository() {
    let (mut server, _, alice, _) = Server::start_with_people().await;
    assert_eq!(json(&server, &["repo", "list"]), json!([]), "nothing yet");
    let (first, second) = (Image::of("first"), Image::of("second"));
    first.push(&alice, "alice/app", "v1").await;
    first.push(&alice, "alice/app", "latest").await;
    second.push(&alice, "alice/app", "v2").await;
    second.push(&alice, "alice/base", "v2").await;

    let listed = json(&server, &["repo", "list"]);
    let names: Vec<_> = listed.as_array().expect("a list").iter().map(|repository| &repository["name"]).collect();
    assert_eq!(names, [&json!("alice/app"), &json!("alice/base")]);
    assert_eq!(json(&server, &["repo", "list", "*/base"])[0]["name"], "alice/base");
    let listed = text(&server, &["repo", "list"]);
    assert!(listed.starts_with("NAME") && listed.contains("alice/base"), "{listed}");

    let shown = json(&server, &["repo", "show", "alice/app"]);
    assert_eq!((&shown["name"], &shown["tags"]), (&json!("alice/app"), &json!(3)), "{shown}");
    assert_eq!((&shown["manifests"], &shown["blobs"]), (&json!(2), &json!(4)), "{shown}");
    let stored = [&first, &second].map(|image| image.config.len() + image.layer.len()).iter().sum::<usize>();
    assert!(shown["bytes"].as_u64().is_some_and(|bytes| bytes >= stored as u64), "{shown}");
    let text_shown = text(&server, &["repo", "show", "alice/app"]);
    assert!(text_shown.contains("alice/app") && text_shown.contains("manifests"), "{text_shown}");

    let tags = json(&server, &["repo", "tags", "alice/app"]);
    let found: Vec<_> = tags.as_array().expect("a list").iter().map(|tag| (&tag["tag"], &tag["digest"])).collect();
    let (first_digest, second_digest) = (json!(first.digest()), json!(second.digest()));
    let expected = [(&json!("latest"), &first_digest), (&json!("v1"), &first_digest), (&json!("v2"), &second_digest)];
    assert_eq!(found, expected);
    assert!(text(&server, &["repo", "tags", "alice/app"]).contains(&second.digest()));

    assert_eq!(json(&server, &["repo", "remove", "alice/app"]), json!({ "removed": "alice/app" }));
    eventually("the running server sees it", async || {
        alice.get("/v2/alice/app/manifests/v1").await.status() == StatusCode::NOT_FOUND
    })
    .await;
    assert_eq!(alice.get("/v2/alice/base/manifests/v2").await.status(), StatusCode::OK);
    server.stop().await;
    let left = json(&server, &["repo", "list"]);
    assert_eq!(
        (left.as_array().map(Vec::len), &left[0]["name"]),
        (Some(1), &json!("alice/base")),
        "a stopped server tells the same"
    );
}

#[tokio::test]
async fn an_unknown_repository_is_refused_by_every_verb_and_an_invalid_name_is_wrong_usage() {
    let mut server = Server::absent("");
    server.initialise();
    for verb in ["show", "tags", "remove"] {
        let said = refusal(&server.try_run(&["repo", verb, "absent/app"], ""));
        assert!(said.contains("absent/app") && said.contains("portcullis repo list"), "{said}");
        let invalid = server.try_run(&["repo", verb, "Not/A/Name"], "");
        assert_eq!(invalid.status.code(), Some(2), "{invalid:?}");
    }
}
