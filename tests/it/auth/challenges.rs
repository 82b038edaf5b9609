//! What clients are asked for: docker's engine and BuildKit for a password where a token would not help them, others for a token.

use reqwest::header::USER_AGENT;
use reqwest::{Method, StatusCode};

use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, Image, Server, eventually, header};

const CLASSIC: &str = "docker/28.5.2 go/go1.24.9 git-commit/89c5e8f kernel/6.1.0 os/linux arch/amd64 \
    UpstreamClient(Docker-Client/28.5.2 \\(linux\\))";
const ENGINE: &str = "docker/29.0.0 go/go1.25.4 git-commit/d105562 kernel/6.1.0 os/linux arch/amd64 \
    containerd-client/2.2.0+unknown storage-driver/overlayfs UpstreamClient(Docker-Client/29.0.0 \\(linux\\))";
const BUILDKIT: &str = "buildkit/v0.25";
const MANIFEST: &str = "/v2/alice/app/manifests/v1";

/// The challenge of the answer, which is 401.
async fn challenge(who: &Actor, method: Method, path: &str, user_agent: &str, password: Option<&str>) -> String {
    let request = who.bare(method, path).header(USER_AGENT, user_agent);
    let request = match password {
        Some(password) => request.basic_auth("alice", Some(password)),
        None => request,
    };
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {user_agent}");
    header(&response, "www-authenticate")
}

#[tokio::test]
async fn dockers_engine_is_asked_for_the_password_at_a_repository_and_for_a_token_at_the_ping() {
    let (_server, _, alice, anonymous) = Server::start_with_people().await;
    Image::of("a").push(&alice, "alice/app", "v1").await;
    for user_agent in [CLASSIC, ENGINE, BUILDKIT] {
        let asked = challenge(&anonymous, Method::HEAD, MANIFEST, user_agent, None).await;
        assert_eq!(asked, "Basic realm=\"portcullis\", charset=\"UTF-8\"", "{user_agent}");
        let asked = challenge(&anonymous, Method::POST, "/v2/alice/app/blobs/uploads/", user_agent, None).await;
        assert!(asked.starts_with("Basic "), "{user_agent}: {asked}");
        for path in ["/v2/", "/v2/_catalog"] {
            let asked = challenge(&anonymous, Method::GET, path, user_agent, None).await;
            assert!(asked.starts_with("Bearer realm="), "{user_agent} {path}: {asked}");
        }
        let with_password = alice.basic(Method::HEAD, MANIFEST).header(USER_AGENT, user_agent).send().await;
        assert_eq!(with_password.expect("an answer").status(), StatusCode::OK, "{user_agent}");
    }
    for user_agent in ["containerd/v2.2.0", "containers/5.34.2 (github.com/containers/image)", "crane/0.20.6"] {
        let asked = challenge(&anonymous, Method::HEAD, MANIFEST, user_agent, None).await;
        assert!(asked.starts_with("Bearer realm="), "{user_agent}: {asked}");
        assert!(asked.contains("scope=\"repository:alice/app:pull\""), "{asked}");
    }
}

#[tokio::test]
async fn an_engine_pulls_from_an_open_repository_without_any_challenge() {
    let (server, admin, _, anonymous) = Server::start_with_people().await;
    server.run(&["grant", "add", "--to", "anonymous", "--on", "public/**", "--allow", "pull"]);
    Image::of("public").push(&admin, "public/app", "v1").await;
    eventually("the grant", async || {
        let pulled =
            anonymous.bare(Method::HEAD, "/v2/public/app/manifests/v1").header(USER_AGENT, ENGINE).send().await;
        pulled.expect("an answer").status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_refused_with_a_password_does_not_try_it_again() {
    let (_server, _, _, anonymous) = Server::start_with_people().await;
    // The errors end containerd's attempts, without the address of a token that it would then ask for.
    let asked = challenge(&anonymous, Method::HEAD, MANIFEST, ENGINE, Some("wrong")).await;
    assert!(asked.starts_with("Bearer ") && asked.contains("error=\"invalid_token\""), "{asked}");
    let bobs = "/v2/bob/app/manifests/v1";
    let asked = challenge(&anonymous, Method::HEAD, bobs, ENGINE, Some(ALICE_PASSWORD)).await;
    assert!(asked.starts_with("Bearer ") && asked.contains("error=\"insufficient_scope\""), "{asked}");
    let asked = challenge(&anonymous, Method::POST, "/v2/bob/app/blobs/uploads/", ENGINE, Some(ALICE_PASSWORD)).await;
    assert!(asked.starts_with("Basic "), "{asked}");
}

#[tokio::test]
async fn where_identity_tokens_are_kept_everyone_is_asked_for_tokens() {
    let server = Server::start_with("[auth]\nrefresh_token_lifetime = \"30d\"\n").await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    for user_agent in [ENGINE, BUILDKIT] {
        let asked = challenge(&admin, Method::HEAD, MANIFEST, user_agent, None).await;
        assert!(asked.starts_with("Bearer realm="), "{user_agent}: {asked}");
    }
}
