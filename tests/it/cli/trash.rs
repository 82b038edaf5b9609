//! Undoing: the history of tags, the trash, holds, and what is purged.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{json, refusal, text};
use crate::support::image::digest;
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, eventually};

async fn served(who: &Actor, repository: &str, reference: &str) -> Option<String> {
    let answer = who.get(&format!("/v2/{repository}/manifests/{reference}")).await;
    (answer.status() == StatusCode::OK).then(|| crate::support::header(&answer, "docker-content-digest"))
}

async fn delete(who: &Actor, repository: &str, reference: &str) {
    let answer = who.delete(&format!("/v2/{repository}/manifests/{reference}")).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(served(who, repository, reference).await, None, "at once");
}

#[tokio::test]
async fn a_tag_that_was_moved_or_deleted_tells_its_history_and_is_moved_back() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (first, second) = (Image::of("first"), Image::of("second"));
    first.push(&admin, "team/app", "v1").await;
    second.push(&admin, "team/app", "v1").await;
    delete(&admin, "team/app", "v1").await;

    let history = json(&server, &["repo", "history", "team/app:v1"]);
    let told: Vec<[&Value; 5]> = history["tags"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| ["digest", "by", "cause", "ended_by", "ended_cause"].map(|key| &entry[key]))
        .collect();
    let (user, push, deleted) = (json!("user:admin"), json!("push"), json!("delete"));
    let digests = [json!(second.digest()), json!(first.digest())];
    assert_eq!(told, [[&digests[0], &user, &push, &user, &deleted], [&digests[1], &user, &push, &user, &push]]);
    let shown = text(&server, &["repo", "history", "team/app"]);
    assert!(shown.contains(&first.digest()) && shown.contains("user:admin (delete)"), "{shown}");

    // As it was when it was deleted, before that, and at a time.
    let restored = json(&server, &["repo", "restore", "team/app:v1"]);
    assert_eq!((&restored["restored"], &restored["digest"]), (&json!("team/app:v1"), &digests[0]));
    assert_eq!(served(&admin, "team/app", "v1").await, Some(second.digest()));
    let said = refusal(&server.try_run(&["repo", "restore", "team/app:v1"], ""));
    assert!(said.contains("points to") && said.contains("--previous"), "{said}");
    server.run(&["repo", "restore", "team/app:v1", "--previous"]);
    assert_eq!(served(&admin, "team/app", "v1").await, Some(first.digest()));
    let said = refusal(&server.try_run(&["repo", "restore", "team/app:v1", "--at", "2020-01-01"], ""));
    assert!(said.contains("repo history team/app:v1"), "{said}");
    let newest = json(&server, &["repo", "history", "team/app:v1"])["tags"][0].clone();
    assert_eq!((&newest["cause"], &newest["until"]), (&json!("restore"), &Value::Null));
    assert!(newest["by"].as_str().is_some_and(|by| by.starts_with("operator:")), "{newest}");
    let now = newest["from"].as_str().expect("a date");
    let said = refusal(&server.try_run(&["repo", "restore", "team/app:v1", "--at", now], ""));
    assert!(said.contains("already"), "{said}");

    for arguments in [["repo", "history", "absent/app"], ["repo", "history", "team/app:absent"]] {
        assert!(refusal(&server.try_run(&arguments, "")).contains("absent"));
    }
    let wrong = server.try_run(&["repo", "restore", "team/app:v1", "--at", "yesterday"], "");
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[tokio::test]
async fn what_was_deleted_is_listed_restored_and_removed_for_good() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    assert_eq!(json(&server, &["trash", "list"]), json!([]));
    let (image, other) = (Image::of("image"), Image::of("other"));
    image.push(&admin, "team/app", "v1").await;
    image.push(&admin, "team/app", "latest").await;
    delete(&admin, "team/app", &image.digest()).await;
    let listed = json(&server, &["trash", "list"]);
    let kinds: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|item| item["kind"].as_str()).collect();
    assert_eq!(kinds, ["manifest", "tag", "tag"]);
    let name = format!("team/app@{}", image.digest());
    assert_eq!((&listed[0]["name"], &listed[0]["deleted_by"]), (&json!(name), &json!("user:admin")));
    let id = listed[0]["id"].to_string();
    assert!(text(&server, &["trash", "list"]).contains(&format!("tag of {id}")));
    server.run(&["trash", "restore", &id]);
    for reference in ["v1", "latest", &image.digest()] {
        assert_eq!(served(&admin, "team/app", reference).await, Some(image.digest()));
    }
    let said = refusal(&server.try_run(&["trash", "restore", &id], ""));
    assert!(said.contains("restored or pushed again already"), "{said}");

    // A repository, whose name is taken meanwhile.
    server.run(&["repo", "remove", "team/app"]);
    assert_eq!(served(&admin, "team/app", "v1").await, None);
    other.push(&admin, "team/app", "v1").await;
    let said = refusal(&server.try_run(&["repo", "restore", "team/app"], ""));
    assert!(said.contains("portcullis repo remove team/app"), "{said}");
    server.run(&["repo", "remove", "team/app"]);
    server.run(&["repo", "restore", "team/app", "--at", "1s"]);
    server.run(&["repo", "remove", "team/app"]);
    server.run(&["repo", "restore", "team/app"]);
    assert!(served(&admin, "team/app", "v1").await.is_some());
    let layer = admin.get(&format!("/v2/team/app/blobs/{}", digest(&image.layer))).await;
    let other_layer = admin.get(&format!("/v2/team/app/blobs/{}", digest(&other.layer))).await;
    assert!(layer.status() == StatusCode::OK || other_layer.status() == StatusCode::OK);

    let kept = json(&server, &["trash", "empty", "--older", "1h"]);
    assert_eq!((&kept["removed"], &kept["held"]), (&json!(0), &json!(0)), "nothing is as old");
    assert_eq!(json(&server, &["trash", "empty"])["removed"], json!(1));
    assert_eq!(json(&server, &["trash", "list"]), json!([]));
    let said = refusal(&server.try_run(&["repo", "restore", "gone/app"], ""));
    assert!(said.contains("portcullis trash list"), "{said}");
}

#[tokio::test]
async fn what_is_held_is_refused_to_every_client_with_the_reason() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (image, other) = (Image::of("held"), Image::of("not held"));
    image.push(&admin, "team/app", "v1").await;
    let said = refusal(&server.try_run(&["repo", "hold", "team/app:v2", "--reason", "released"], ""));
    assert!(said.contains("unknown tag team/app:v2"), "{said}");
    let said = refusal(&server.try_run(&["repo", "hold", "team/app:v1", "--reason", " "], ""));
    assert!(said.contains("reason"), "{said}");
    server.run(&["repo", "hold", "team/app:v1", "--reason", "customers run it"]);
    for reference in ["v1", &image.digest()] {
        let answer = admin.delete(&format!("/v2/team/app/manifests/{reference}")).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let body: Value = answer.json().await.expect("JSON");
        let message = body["errors"][0]["message"].as_str().expect("a message");
        assert_eq!(body["errors"][0]["code"], json!("DENIED"));
        assert!(message.contains("customers run it") && message.contains("repo release team/app:v1"), "{message}");
    }
    assert_eq!(other.try_push(&admin, "team/app", "v1").await, StatusCode::FORBIDDEN, "it stays where it is");
    assert_eq!(other.try_push(&admin, "team/app", "v2").await, StatusCode::CREATED);
    let blob = format!("/v2/team/app/blobs/{}", digest(&image.layer));
    assert_eq!(admin.delete(&blob).await.status(), StatusCode::FORBIDDEN);
    for arguments in [&["repo", "remove", "team/app"][..], &["repo", "purge", "team/app", "--reason", "x"]] {
        assert!(refusal(&server.try_run(arguments, "")).contains("customers run it"));
    }
    let shown = json(&server, &["repo", "show", "team/app"]);
    assert_eq!((&shown["holds"][0]["tag"], &shown["holds"][0]["reason"]), (&json!("v1"), &json!("customers run it")));
    assert!(text(&server, &["repo", "show", "team/app"]).contains("v1 (customers run it"));

    server.run(&["repo", "release", "team/app:v1"]);
    let said = refusal(&server.try_run(&["repo", "release", "team/app:v1"], ""));
    assert!(said.contains("not held"), "{said}");
    server.run(&["repo", "hold", "team/app", "--reason", "a lawsuit"]);
    let answer = admin.delete("/v2/team/app/manifests/v2").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    server.run(&["repo", "release", "team/app"]);
    delete(&admin, "team/app", "v1").await;
}

#[tokio::test]
async fn what_is_purged_is_gone_at_once_with_its_content() {
    let mut server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (secret, other) = (Image::of("a secret"), Image::of("no secret"));
    secret.push(&admin, "team/app", "leaked").await;
    other.push(&admin, "team/app", "v1").await;
    delete(&admin, "team/app", "leaked").await;
    let content = |image: &Image| {
        let blob = digest(&image.layer);
        let hex = blob.strip_prefix("sha256:").expect("a digest");
        server.data().join("blobs/sha256").join(&hex[..2]).join(hex)
    };
    let (gone, kept) = (content(&secret), content(&other));
    let name = format!("team/app@{}", secret.digest());
    let said = refusal(&server.try_run(&["repo", "purge", "team/app:v1", "--reason", "leaked"], ""));
    assert!(said.contains("NAME@DIGEST"), "{said}");
    let purged = json(&server, &["repo", "purge", &name, "--reason", "a key is in it"]);
    assert_eq!((&purged["manifests"], &purged["contents"], &purged["shared"]), (&json!(1), &json!(2), &json!(0)));
    assert_eq!(served(&admin, "team/app", &secret.digest()).await, None);
    let blob = format!("/v2/team/app/blobs/{}", digest(&secret.layer));
    assert_eq!(admin.get(&blob).await.status(), StatusCode::NOT_FOUND, "though it was pushed a moment ago");
    eventually("the server has removed the content", async || !gone.exists()).await;
    assert!(kept.exists());
    assert_eq!(json(&server, &["trash", "list"]), json!([]));
    let said = refusal(&server.try_run(&["repo", "restore", "team/app:leaked"], ""));
    assert!(said.contains("for good"), "{said}");
    let history = json(&server, &["repo", "history", "team/app"]);
    assert_eq!(history["purges"][0]["reason"], json!("a key is in it"));
    assert!(text(&server, &["repo", "history", "team/app"]).contains("purged: a key is in it"));

    server.stop().await;
    server.run(&["repo", "purge", "team/app", "--reason", "all of it"]);
    assert!(!kept.exists(), "without a server, the command removes the content itself");
    assert_eq!(json(&server, &["repo", "list"]), json!([]));
    assert_eq!(json(&server, &["repo", "history", "team/app"])["purges"][0]["digest"], Value::Null);
}

#[tokio::test]
async fn without_a_trash_what_is_deleted_is_gone_for_good() {
    let server = Server::start_with("[trash]\nkeep = \"0s\"\n").await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let image = Image::of("gone");
    image.push(&admin, "team/app", "v1").await;
    delete(&admin, "team/app", &image.digest()).await;
    assert_eq!(json(&server, &["trash", "list"]), json!([]));
    let said = refusal(&server.try_run(&["repo", "restore", "team/app:v1"], ""));
    assert!(said.contains("for good"), "{said}");
}

#[tokio::test]
async fn what_was_in_the_trash_for_its_time_is_removed_by_the_collector() {
    let server = Server::start_with("[trash]\nkeep = \"1s\"\n").await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let (image, kept) = (Image::of("in the trash"), Image::of("kept"));
    image.push(&admin, "team/app", "v1").await;
    kept.push(&admin, "team/app", "v2").await;
    delete(&admin, "team/app", &image.digest()).await;
    eventually("its time is over", async || {
        server.run(&["gc", "--now"]);
        json(&server, &["trash", "list"]) == json!([])
    })
    .await;
    let said = refusal(&server.try_run(&["repo", "restore", "team/app:v1"], ""));
    assert!(said.contains("for good"), "{said}");
    assert_eq!(served(&admin, "team/app", "v2").await, Some(kept.digest()));
}
