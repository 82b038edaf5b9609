//! `portcullis user`: who may log in.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{json, refusal, text};
use crate::support::{Actor, Image, Server, eventually};

async fn login(who: &Actor) -> StatusCode {
    who.basic(Method::GET, "/auth/token").send().await.expect("an answer").status()
}

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().expect("a list").iter().map(|user| user["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn users_are_listed_with_role_and_state_and_a_removed_one_is_gone() {
    let (server, _, alice, _) = Server::start_with_people().await;
    server.run(&["user", "add", "carol", "--admin"]);
    server.run(&["user", "disable", "carol"]);
    let listed = json(&server, &["user", "list"]);
    assert_eq!(names(&listed), ["admin", "alice", "carol"]);
    let of = |user: &Value| (user["admin"].clone(), user["disabled"].clone());
    assert_eq!(of(&listed[0]), (json!(true), json!(false)));
    assert_eq!(of(&listed[1]), (json!(false), json!(false)));
    assert_eq!(of(&listed[2]), (json!(true), json!(true)));
    let table = text(&server, &["user", "list"]);
    let carol = table.lines().find(|line| line.starts_with("carol")).expect("a line for carol");
    assert!(carol.contains("administrator") && carol.contains("disabled"), "{table}");

    Image::of("alice's").push(&alice, "alice/app", "v1").await;
    server.run(&["grant", "add", "--to", "user:alice", "--on", "team/**", "--allow", "pull"]);
    assert_eq!(login(&alice).await, StatusCode::OK);
    let removed = json(&server, &["user", "remove", "alice"]);
    assert_eq!(removed, json!({ "removed": "alice", "repositories_left": 1 }));
    assert_eq!(names(&json(&server, &["user", "list"])), ["admin", "carol"]);
    assert_eq!(json(&server, &["grant", "list"]), json!([]), "the grants went with the user");
    assert_eq!(json(&server, &["repo", "list"])[0]["name"], "alice/app", "the repositories stay");
    eventually("the running server sees it", async || login(&alice).await == StatusCode::UNAUTHORIZED).await;

    let again = refusal(&server.try_run(&["user", "remove", "alice"], ""));
    assert!(again.contains("alice") && again.contains("portcullis user list"), "{again}");
}

#[tokio::test]
async fn a_user_is_disabled_and_enabled_and_an_unknown_one_is_refused_by_every_verb() {
    let (server, _, alice, _) = Server::start_with_people().await;
    assert_eq!(json(&server, &["user", "disable", "alice"])["state"], "disabled");
    eventually("the running server sees it", async || login(&alice).await == StatusCode::UNAUTHORIZED).await;
    assert_eq!(json(&server, &["user", "show", "alice"])["disabled"], true);
    assert_eq!(json(&server, &["user", "enable", "alice"])["state"], "enabled");
    eventually("the running server sees it", async || login(&alice).await == StatusCode::OK).await;
    for verb in ["show", "passwd", "disable", "enable", "unlock", "remove"] {
        let said = refusal(&server.try_run(&["user", verb, "mallory"], ""));
        assert!(said.contains("mallory") && said.contains("portcullis user list"), "{verb}: {said}");
    }
}
