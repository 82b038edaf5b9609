//! Rights: who may do what where, how soon a change counts, and what outlives a token.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::image::{digest, push_blob};
use crate::support::token_key::aged;
use crate::support::{Actor, Image, Server, TokenKey, eventually, header};

async fn may_push(who: &Actor, repository: &str) -> bool {
    who.post(&format!("/v2/{repository}/blobs/uploads/")).await.status() == StatusCode::ACCEPTED
}

#[tokio::test]
async fn alice_pushes_her_own_and_is_refused_others_readably() {
    let (_server, admin, alice, _) = Server::start_with_people().await;
    Image::of("a").push(&alice, "alice/app", "v1").await;
    Image::of("n").push(&admin, "nginx", "v1").await;
    for repository in ["bob/app", "nginx", "alice", "alicex/app", "x/alice/app"] {
        let refused = alice.post(&format!("/v2/{repository}/blobs/uploads/")).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{repository}");
        assert!(header(&refused, "www-authenticate").contains("insufficient_scope"));
        assert_eq!(header(&refused, "content-type"), "application/json", "docker shows it only then");
        let body: Value = refused.json().await.expect("JSON");
        let message = body["errors"][0]["message"].as_str().expect("text");
        assert_eq!(message, format!("alice may not push to {repository}: ask an administrator for a grant"));
    }
    assert!(!alice.get("/v2/nginx/manifests/v1").await.status().is_success(), "nor pull");
    // The same words whether it exists or not.
    let refusal = async |repository: &str| {
        let response = alice.get(&format!("/v2/{repository}/manifests/v1")).await;
        (response.status(), response.text().await.expect("text").replace(repository, "X"))
    };
    assert_eq!(refusal("nginx").await, refusal("absent").await);
    assert_eq!(admin.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK, "the administrator sees all");
    assert_eq!(admin.delete("/v2/alice/app/manifests/v1").await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_grant_counts_within_a_second_and_so_does_its_end() {
    let (server, _, alice, _) = Server::start_with_people().await;
    assert!(!may_push(&alice, "team/x").await);
    server.run(&["grant", "add", "--to", "user:alice", "--on", "team/**", "--allow", "pull,push"]);
    eventually("the grant", async || may_push(&alice, "team/x").await).await;
    Image::of("team").push(&alice, "team/x/y", "v1").await;
    assert!(!may_push(&alice, "team").await, "team/** does not cover team");
    let refused = alice.delete("/v2/team/x/y/manifests/v1").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "delete was not granted");
    let token = alice.token(&["repository:team/x/y:pull,push"]).await.expect("a token");
    server.run(&["grant", "remove", "--to", "user:alice", "--on", "team/**"]);
    eventually("the end of the grant, for outstanding tokens too", async || {
        let request = alice.with_token(Method::GET, "/v2/team/x/y/manifests/v1", &token);
        request.send().await.expect("an answer").status() == StatusCode::UNAUTHORIZED
    })
    .await;
    let again = server.try_run(&["grant", "remove", "--to", "user:alice", "--on", "team/**"], "");
    assert_eq!(again.status.code(), Some(1));
    let unknown = server.try_run(&["grant", "add", "--to", "user:unknown", "--on", "a/**", "--allow", "pull"], "");
    assert_eq!(unknown.status.code(), Some(1));
    let explained = server.run(&["grant", "explain", "user:alice", "push", "team/x"]).stdout;
    assert!(String::from_utf8_lossy(&explained).contains("grant add"), "{}", String::from_utf8_lossy(&explained));
}

#[tokio::test]
async fn a_token_that_is_asked_for_right_after_a_change_knows_of_it() {
    let (server, admin, alice, anonymous) = Server::start_with_people().await;
    Image::of("team").push(&admin, "team/x", "v1").await;
    let pulls = async |who: &Actor| {
        let token = who.token(&["repository:team/x:pull"]).await.expect("a token");
        who.with_token(Method::GET, "/v2/team/x/manifests/v1", &token).send().await.expect("an answer").status()
    };
    for _ in 0..3 {
        for (to, who) in [("user:alice", &alice), ("anonymous", &anonymous)] {
            assert_eq!(pulls(who).await, StatusCode::UNAUTHORIZED, "{to}");
            server.run(&["grant", "add", "--to", to, "--on", "team/**", "--allow", "pull"]);
            assert_eq!(pulls(who).await, StatusCode::OK, "{to}: no wait between the grant and the token");
            server.run(&["grant", "remove", "--to", to, "--on", "team/**"]);
        }
    }
}

#[tokio::test]
async fn what_is_open_to_anonymous_is_pulled_without_login_and_nothing_more() {
    let (server, admin, alice, anonymous) = Server::start_with_people().await;
    Image::of("public").push(&admin, "public/app", "v1").await;
    let refused = anonymous.get("/v2/public/app/manifests/v1").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body["errors"][0]["code"], "UNAUTHORIZED");
    server.run(&["grant", "add", "--to", "anonymous", "--on", "public/**", "--allow", "pull"]);
    eventually("the grant", async || anonymous.get("/v2/public/app/manifests/v1").await.status() == StatusCode::OK)
        .await;
    assert_eq!(alice.get("/v2/public/app/manifests/v1").await.status(), StatusCode::OK, "alice has logged in");
    assert!(!may_push(&anonymous, "public/app").await);
    let push = server.try_run(&["grant", "add", "--to", "anonymous", "--on", "x/**", "--allow", "push"], "");
    assert_eq!(push.status.code(), Some(1), "anonymous never pushes");
}

#[tokio::test]
async fn personal_namespaces_can_be_switched_off() {
    let mut server = Server::start().await;
    server.add_user("alice", crate::support::server::ALICE_PASSWORD);
    server.stop().await;
    server.configure("[auth]\npersonal_namespaces = false\n");
    server.spawn().await;
    let alice = server.actor("alice", crate::support::server::ALICE_PASSWORD);
    assert!(!may_push(&alice, "alice/app").await);
}

#[tokio::test]
async fn the_upload_session_of_another_is_not_there_by_any_verb() {
    let (server, admin, alice, anonymous) = Server::start_with_people().await;
    server.add_user("bob", "bob's password");
    let bob = server.actor("bob", "bob's password");
    server.run(&["grant", "add", "--to", "authenticated", "--on", "team/**", "--allow", "pull,push,delete"]);
    eventually("the grant", async || may_push(&alice, "team/x").await && may_push(&bob, "team/x").await).await;
    let opened = alice.post("/v2/team/x/blobs/uploads/").await;
    let session = header(&opened, "location");
    let id = header(&opened, "docker-upload-uuid");
    let content = b"alice's upload";
    for (name, who) in [("bob", &bob), ("the administrator", &admin)] {
        for method in [Method::GET, Method::PATCH, Method::PUT, Method::DELETE] {
            let request =
                who.bare(method.clone(), &session).query(&[("digest", digest(content))]).body(content.to_vec());
            let response = who.send(request).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{name} {method}");
            assert!(response.text().await.expect("text").contains("BLOB_UPLOAD_UNKNOWN"), "{name} {method}");
        }
    }
    assert_eq!(anonymous.get(&session).await.status(), StatusCode::UNAUTHORIZED);
    // Nor is it in another repository, for alice herself.
    let elsewhere = alice.get(&format!("/v2/alice/app/blobs/uploads/{id}")).await;
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    let put = alice.bare(Method::PUT, &session).query(&[("digest", digest(content))]).body(content.to_vec());
    assert_eq!(alice.send(put).await.status(), StatusCode::CREATED, "and alice continues");
}

#[tokio::test]
async fn an_upload_continues_with_a_token_that_has_expired_and_nothing_else_does() {
    let (server, _, alice, _) = Server::start_with_people().await;
    server.add_user("bob", "bob's password");
    let token = alice.token(&["repository:alice/app:pull,push,delete"]).await.expect("a token");
    // What the server signed ten minutes ago, with a life of five.
    let key = TokenKey::of(&server).await;
    let expired = key.sign(&aged(&token, 600));
    let ask = async |method: Method, path: &str, body: &'static [u8]| {
        alice.with_token(method, path, &expired).body(body).send().await.expect("an answer")
    };
    let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
    let session = header(&opened, "location");
    let blob = push_blob(&alice, "alice/app", b"there already").await;

    assert_eq!(ask(Method::PATCH, &session, b"first half, ").await.status(), StatusCode::ACCEPTED);
    assert_eq!(ask(Method::GET, &session, b"").await.status(), StatusCode::NO_CONTENT);
    for (method, path) in [
        (Method::POST, "/v2/alice/app/blobs/uploads/".to_owned()),
        (Method::GET, format!("/v2/alice/app/blobs/{blob}")),
        (Method::DELETE, format!("/v2/alice/app/blobs/{blob}")),
        (Method::GET, "/v2/alice/app/tags/list".to_owned()),
        (Method::GET, "/v2/".to_owned()),
        (Method::GET, "/v2/_catalog".to_owned()),
    ] {
        let refused = ask(method.clone(), &path, b"").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let whole = digest(b"first half, second half");
    let put = ask(Method::PUT, &format!("{session}?digest={whole}"), b"second half").await;
    assert_eq!(put.status(), StatusCode::CREATED, "{}", put.text().await.expect("text"));

    // After a day it serves for nothing, and never without the right.
    let session = header(&alice.post("/v2/alice/app/blobs/uploads/").await, "location");
    let stale = key.sign(&aged(&token, 25 * 60 * 60));
    let refused = alice.with_token(Method::PATCH, &session, &stale).body("x").send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    server.run(&["user", "disable", "alice"]);
    eventually("the end of the user", async || {
        ask(Method::GET, &session, b"").await.status() == StatusCode::UNAUTHORIZED
    })
    .await;
}
