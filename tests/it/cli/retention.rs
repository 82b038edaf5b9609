//! `portcullis retention`: rules, previews, first runs, and runs that wait for someone.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{json, refusal, text};
use crate::support::{Image, Server, eventually};

/// The tags of a repository.
fn tags(server: &Server, repository: &str) -> Vec<String> {
    let listed = json(server, &["repo", "tags", repository]);
    listed.as_array().expect("a list").iter().map(|tag| tag["tag"].as_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn a_rule_is_previewed_rehearsed_confirmed_and_then_removes_what_it_does_not_keep() {
    let (server, _, alice, _) = Server::start_with_people().await;
    for number in 1..=5 {
        Image::of(&number.to_string()).push(&alice, "alice/app", &format!("v1.{number}")).await;
    }
    Image::of("5").push(&alice, "alice/app", "latest").await;
    Image::of("1").push(&alice, "alice/other", "v1.1").await;
    assert!(text(&server, &["retention", "preview"]).contains("no rule"));

    let added = json(&server, &["retention", "add", "--on", "alice/app", "--keep", "newest=2:version,matching=keep*"]);
    assert_eq!((&added["id"], &added["keep"]), (&json!(1), &json!(["newest=2:version", "matching=keep*"])));
    let preview = json(&server, &["retention", "preview", "1"]);
    let decisions = preview["repositories"][0]["decisions"].as_array().expect("a list");
    let outcome = |tag: &str| decisions.iter().find(|row| row["tag"] == tag).map(|row| row["outcome"].clone());
    assert_eq!(
        (outcome("v1.5"), outcome("v1.3"), outcome("latest")),
        (Some("keep".into()), Some("remove".into()), Some("keep".into()))
    );
    assert_eq!(preview["removed_tags"], 3, "{preview}");
    // The layers and configurations of v1.2 and v1.3; those of v1.1 are another repository's, too.
    let freed: usize = ["2", "3"].map(|seed| Image::of(seed).config.len() + Image::of(seed).layer.len()).iter().sum();
    assert_eq!(preview["bytes_freed"], freed, "{preview}");
    let shown = text(&server, &["retention", "preview"]);
    assert!(shown.contains("number 1 of the 2 newest versions") && shown.contains("no clause keeps it"), "{shown}");

    let rehearsal = json(&server, &["retention", "run"]);
    assert_eq!(
        (&rehearsal["removed_tags"], &rehearsal["rehearsed"]),
        (&json!(0), &json!([{ "rule": 1, "would_remove": 3 }]))
    );
    let waits = refusal(&server.try_run(&["retention", "run"], ""));
    assert!(waits.contains("3 of 6") && waits.contains("portcullis retention run --confirm"), "{waits}");
    assert_eq!(tags(&server, "alice/app").len(), 6);
    assert!(text(&server, &["retention", "list"]).contains("3 of 6 wait to be removed"));
    let run = json(&server, &["retention", "run", "--confirm"]);
    assert_eq!((&run["removed_tags"], &run["examined"]), (&json!(3), &json!(6)), "{run}");
    assert_eq!(tags(&server, "alice/app"), ["latest", "v1.4", "v1.5"]);
    eventually("the running server sees it", async || {
        alice.get("/v2/alice/app/manifests/v1.1").await.status() == StatusCode::NOT_FOUND
    })
    .await;
    assert_eq!(json(&server, &["retention", "run"])["removed_tags"], 0, "nothing is left to remove");
    assert_eq!(tags(&server, "alice/other"), ["v1.1"], "no rule is about it");

    let listed = json(&server, &["retention", "list"]);
    assert_eq!(
        (&listed["rules"][0]["rehearsed"], &listed["last_run"]["removed"]),
        (&json!(true), &json!(0)),
        "{listed}"
    );
    server.run(&["retention", "remove", "1"]);
    assert!(refusal(&server.try_run(&["retention", "preview", "1"], "")).contains("portcullis retention list"));
    assert!(refusal(&server.try_run(&["retention", "remove", "1"], "")).contains("portcullis retention list"));
}

#[tokio::test]
async fn pulls_are_recorded_by_tag_and_person_and_a_head_is_none() {
    let (mut server, admin, alice, _) = Server::start_with_people().await;
    for tag in ["pulled", "asked", "untouched"] {
        Image::of(tag).push(&alice, "alice/app", tag).await;
    }
    assert_eq!(admin.get("/v2/alice/app/manifests/pulled").await.status(), StatusCode::OK);
    assert_eq!(alice.head("/v2/alice/app/manifests/asked").await.status(), StatusCode::OK);
    server.stop().await;
    let listed = json(&server, &["repo", "tags", "alice/app"]);
    let by: Vec<(&Value, &Value)> =
        listed.as_array().expect("a list").iter().map(|tag| (&tag["tag"], &tag["pulled_by"])).collect();
    let (none, admin) = (&Value::Null, &json!("user:admin"));
    assert_eq!(by, [(&json!("asked"), none), (&json!("pulled"), admin), (&json!("untouched"), none)]);
    assert!(listed[1]["pulled_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{listed}");
    assert!(text(&server, &["repo", "tags", "alice/app"]).contains("user:admin"));
}

#[tokio::test]
async fn a_rule_that_needs_pull_times_is_refused_while_they_are_not_recorded() {
    let mut server = Server::absent("[pulls]\nrecord = false\n");
    server.initialise();
    let said = refusal(&server.try_run(&["retention", "add", "--on", "**", "--keep", "pulled-within=90d"], ""));
    assert!(said.contains("pulls.record = true"), "{said}");
    let said = refusal(&server.try_run(&["retention", "add", "--on", "**", "--keep", "newest=3", "--untagged"], ""));
    assert!(said.contains("untagged"), "{said}");
    for wrong in [&["--keep", "newest=0"][..], &[], &["--keep", "signed", "--untagged", "--tags", "v*"]] {
        let output = server.try_run(&[&["retention", "add", "--on", "**"], wrong].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
}
