//! Credentials that a request may not carry like this, and refresh tokens where a password is expected.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Server, eventually, header};

/// Status and text of the answer.
async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("text"))
}

fn basic_header(text: &[u8]) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

#[tokio::test]
async fn a_second_authorization_header_is_refused_whatever_they_say() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let token = alice.token(&[]).await.expect("a token");
    let (password, bearer) = (basic_header(format!("alice:{ALICE_PASSWORD}").as_bytes()), format!("Bearer {token}"));
    for (first, second) in [(&password, &password), (&bearer, &password), (&bearer, &bearer)] {
        for path in ["/v2/", "/v2/alice/app/tags/list", "/auth/token", "/health/live"] {
            let request = alice.bare(Method::GET, path).header(AUTHORIZATION, first).header(AUTHORIZATION, second);
            let (status, text) = answer(request).await;
            assert_eq!(status, 400, "{path}");
            assert!(text.contains("authorization more than once"), "{text}");
        }
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_decoded_are_told_why() {
    let (_server, _, alice, anonymous) = Server::start_with_people().await;
    for (sent, reason) in [
        ("Basic !!!".to_owned(), "not valid base64"),
        (basic_header(b"alice:p\xe4ssword"), "not valid UTF-8"),
        (basic_header(b"alice"), "no colon"),
        (basic_header(format!("alice:{}", "x".repeat(1025)).as_bytes()), "at most 1024 bytes"),
        ("Digest alice".to_owned(), "neither Basic nor Bearer"),
    ] {
        for path in ["/v2/", "/v2/alice/app/tags/list", "/auth/token"] {
            let (status, text) = answer(anonymous.bare(Method::GET, path).header(AUTHORIZATION, &sent)).await;
            assert_eq!(status, 401, "{path} {sent}");
            assert!(text.contains(reason) && text.contains("UNAUTHORIZED"), "{path} {reason}: {text}");
        }
    }
    let wrong =
        alice.bare(Method::GET, "/auth/token").header(AUTHORIZATION, "Bearer x").send().await.expect("an answer");
    assert_eq!(header(&wrong, "www-authenticate"), "Basic realm=\"portcullis\", charset=\"UTF-8\"");
}

#[tokio::test]
async fn a_page_of_another_site_does_not_use_the_browsers_password() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    for (site, expected) in [("cross-site", 401), ("same-site", 401), ("same-origin", 200), ("none", 200)] {
        for path in ["/v2/", "/v2/_catalog", "/auth/token"] {
            let (status, text) = answer(alice.basic(Method::GET, path).header("sec-fetch-site", site)).await;
            assert_eq!(status, expected, "{site} {path}: {text}");
        }
    }
    // A token is not sent by itself.
    let token = alice.token(&[]).await.expect("a token");
    let (status, _) =
        answer(alice.with_token(Method::GET, "/v2/", &token).header("sec-fetch-site", "cross-site")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_token_endpoint_takes_each_parameter_once_and_forms_alone() {
    let (_server, _, alice, anonymous) = Server::start_with_people().await;
    for query in ["service=a&service=b", "account=alice&account=bob", "client_id=a&client_id=a&scope=x"] {
        let (status, text) = answer(alice.basic(Method::GET, &format!("/auth/token?{query}"))).await;
        assert_eq!(status, 400, "{query}");
        assert!(text.contains("may not be repeated"), "{text}");
    }
    let scopes = "scope=repository:alice/a:pull&scope=repository:alice/b:pull";
    let (status, text) = answer(alice.basic(Method::GET, &format!("/auth/token?service=portcullis&{scopes}"))).await;
    assert!(status == 200 && text.contains("repository:alice/a:pull repository:alice/b:pull"), "{text}");

    let encoded = "grant_type=password&username=alice&password=alice%3Ahas+a+colon+in+it";
    let post = |content_type: Option<&str>, form: &str| {
        let request = anonymous.bare(Method::POST, "/auth/token").body(form.to_owned());
        content_type.map_or(request.try_clone(), |value| Some(request.header(CONTENT_TYPE, value))).expect("a request")
    };
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLEncoded;charset=UTF-8",
    ] {
        assert_eq!(answer(post(Some(content_type), encoded)).await.0, 200, "{content_type}");
    }
    for content_type in [None, Some("text/plain"), Some("application/json"), Some("multipart/form-data; boundary=x")] {
        let (status, text) = answer(post(content_type, encoded)).await;
        assert_eq!(status, 415, "{content_type:?}");
        assert!(text.contains("application/x-www-form-urlencoded"), "{text}");
    }
    let repeated = format!("{encoded}&username=admin");
    assert_eq!(answer(post(Some("application/x-www-form-urlencoded"), &repeated)).await.0, 400);
}

#[tokio::test]
async fn a_refresh_token_is_taken_as_a_password_on_every_request() {
    let server = Server::start_with("[auth]\nrefresh_token_lifetime = \"30d\"\n").await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    let login = alice.basic(Method::GET, "/auth/token?offline_token=true").send().await.expect("an answer");
    let body: Value = login.json().await.expect("JSON");
    let kept = body["refresh_token"].as_str().expect("a refresh token").to_owned();
    let holder = server.actor("alice", &kept);
    let open = async |who: &Actor| {
        who.basic(Method::POST, "/v2/alice/app/blobs/uploads/").send().await.expect("an answer").status()
    };
    for _ in 0..2 {
        assert_eq!(open(&holder).await, StatusCode::ACCEPTED);
        assert_eq!(open(&server.actor("<token>", &kept)).await, StatusCode::ACCEPTED);
    }
    assert_eq!(open(&server.actor("admin", &kept)).await, StatusCode::UNAUTHORIZED, "it is alice's");
    let renewed = holder.basic(Method::GET, "/auth/token?offline_token=true").send().await.expect("an answer");
    let renewed: Value = renewed.json().await.expect("JSON");
    assert!(
        renewed["token"].is_string() && renewed["refresh_token"].is_null(),
        "it does not outlive itself: {renewed}"
    );
    server.run(&["user", "disable", "alice"]);
    eventually("the end of alice", async || open(&holder).await == StatusCode::UNAUTHORIZED).await;
}
