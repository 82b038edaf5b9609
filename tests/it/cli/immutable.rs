//! `portcullis immutable`: rules, and what a client hears that moves or deletes such a tag.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{json, refusal, text};
use crate::support::image::MANIFEST_TYPE;
use crate::support::{Actor, Image, Server, eventually};

async fn push(who: &Actor, image: &Image, tag: &str) -> (StatusCode, String) {
    let response = who.put(&format!("/v2/alice/app/manifests/{tag}"), MANIFEST_TYPE, image.manifest.clone()).await;
    (response.status(), response.text().await.expect("text"))
}

#[tokio::test]
async fn an_immutable_tag_is_refused_with_the_rule_and_exceptions_work_both_ways() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let (first, second) = (Image::of("first"), Image::of("second"));
    for (image, tag) in [(&first, "v0"), (&first, "v1"), (&second, "latest"), (&first, "v2-rc1")] {
        image.push(&alice, "alice/app", tag).await;
    }
    let added = json(&server, &["immutable", "add", "--on", "alice/**", "--tags", "v*"]);
    assert_eq!((&added["mode"], &added["tags"], &added["after"]), (&json!("immutable"), &json!("v*"), &Value::Null));
    server.run(&["immutable", "add", "--on", "**", "--tags", "*-rc*", "--mutable"]);
    // A push before the server knows the rule moves the tag: the next one is of the other image.
    eventually("the running server knows the rule", async || {
        push(&alice, &second, "v0").await.0 == StatusCode::FORBIDDEN
            || push(&alice, &first, "v0").await.0 == StatusCode::FORBIDDEN
    })
    .await;

    eventually("and the exception", async || push(&alice, &second, "v2-rc1").await.0 == StatusCode::CREATED).await;

    let (_, said) = push(&alice, &second, "v1").await;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["errors"][0]["code"], "DENIED", "{said}");
    let message = said["errors"][0]["message"].as_str().expect("text");
    assert!(message.contains("v1") && message.contains("immutable rule 1 (on alice/**, tags v*)"), "{message}");
    assert_eq!(push(&alice, &first, "v1").await.0, StatusCode::CREATED, "the same image");
    for tag in ["latest", "v2-rc1", "v3"] {
        assert_eq!(push(&alice, &second, tag).await.0, StatusCode::CREATED, "{tag}");
    }
    for reference in ["v1".to_owned(), first.digest()] {
        let deleted = alice.delete(&format!("/v2/alice/app/manifests/{reference}")).await;
        assert_eq!(deleted.status(), StatusCode::FORBIDDEN, "{reference}");
    }
    assert_eq!(alice.delete("/v2/alice/app/manifests/latest").await.status(), StatusCode::ACCEPTED);

    let listed = json(&server, &["immutable", "list"]);
    assert_eq!((&listed[0]["id"], &listed[1]["mode"]), (&json!(1), &json!("mutable")), "{listed}");
    assert!(text(&server, &["immutable", "list"]).contains("alice/**"));
    server.run(&["immutable", "remove", "1"]);
    eventually("it may be moved again", async || push(&alice, &second, "v1").await.0 == StatusCode::CREATED).await;
    let unknown = refusal(&server.try_run(&["immutable", "remove", "1"], ""));
    assert!(unknown.contains("portcullis immutable list"), "{unknown}");
}

#[tokio::test]
async fn a_tag_can_be_corrected_for_the_time_that_its_rule_gives() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let added =
        text(&server, &["immutable", "add", "--on", "**", "--tags", "*", "--after", "24h", "--allow-retention"]);
    assert!(added.contains("immutable after 24h, but for retention"), "{added}");
    let (first, second) = (Image::of("first"), Image::of("second"));
    first.push(&alice, "alice/app", "v1").await;
    second.push(&alice, "alice/app", "v1").await;
    let both = server.try_run(&["immutable", "add", "--on", "**", "--tags", "*", "--after", "1h", "--mutable"], "");
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}
