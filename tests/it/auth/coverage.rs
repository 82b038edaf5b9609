//! Every route is refused to anyone who has no right to it. A route that is not listed here fails the first test.

use std::collections::BTreeSet;

use crate::support::image::push_blob;
use crate::support::{Actor, Image, Server, eventually};
use reqwest::{Method, StatusCode};

/// What a route demands of its caller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Demands {
    /// Nothing: it tells nothing that is not public. This list may only shrink.
    Nothing,
    /// A token or a password, whoever's.
    Login,
    /// To have logged in; shows only what the caller may pull.
    LoginAndFilters,
    /// A right to the repository in its path.
    Right,
}

use Demands::{Login, LoginAndFilters, Nothing, Right};

const ROUTES: &[(&str, &str, Demands)] = &[
    ("GET", "/", Nothing),
    ("GET", "/health/live", Nothing),
    ("GET", "/health/ready", Nothing),
    ("GET", "/.well-known/jwks.json", Nothing),
    ("GET", "/.well-known/portcullis/ca.pem", Nothing),
    ("GET", "/.well-known/portcullis/rotation.pem", Nothing),
    ("GET", "/.well-known/portcullis/trust/<version>", Nothing),
    ("GET", "/auth/token", Nothing),
    ("POST", "/auth/token", Nothing),
    ("GET", "/v2/", Login),
    ("GET", "/v2/_catalog", LoginAndFilters),
    ("GET", "/v1/search", LoginAndFilters),
    ("GET", "/v2/<name>/manifests/<reference>", Right),
    ("PUT", "/v2/<name>/manifests/<reference>", Right),
    ("DELETE", "/v2/<name>/manifests/<reference>", Right),
    ("GET", "/v2/<name>/blobs/<digest>", Right),
    ("HEAD", "/v2/<name>/blobs/<digest>", Right),
    ("DELETE", "/v2/<name>/blobs/<digest>", Right),
    ("POST", "/v2/<name>/blobs/uploads/", Right),
    ("GET", "/v2/<name>/blobs/uploads/<id>", Right),
    ("PATCH", "/v2/<name>/blobs/uploads/<id>", Right),
    ("PUT", "/v2/<name>/blobs/uploads/<id>", Right),
    ("DELETE", "/v2/<name>/blobs/uploads/<id>", Right),
    ("GET", "/v2/<name>/tags/list", Right),
    ("GET", "/v2/<name>/referrers/<digest>", Right),
];

#[test]
fn every_route_is_listed() {
    let served: BTreeSet<(String, String)> =
        portcullis::http::routes().into_iter().map(|(method, path)| (method.to_string(), path.to_owned())).collect();
    let listed: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(served, listed, "list the new route in ROUTES, with what it demands");
}

/// The paths of a repository's routes, filled in with what exists in it.
struct Place {
    repository: &'static str,
    reference: String,
    digest: String,
    upload: String,
}

impl Place {
    fn fill(&self, pattern: &str) -> String {
        pattern
            .replace("<name>", self.repository)
            .replace("<reference>", &self.reference)
            .replace("<digest>", &self.digest)
            .replace("<id>", &self.upload)
    }
}

/// A repository of alice's with an image and an open upload session.
async fn alices_place(alice: &Actor) -> Place {
    let image = Image::of("alice's");
    image.push(alice, "alice/app", "v1").await;
    let digest = push_blob(alice, "alice/app", b"a blob").await;
    let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
    let upload = opened.headers()["docker-upload-uuid"].to_str().expect("text").to_owned();
    Place { repository: "alice/app", reference: "v1".to_owned(), digest, upload }
}

/// The same paths in a repository that does not exist.
fn nowhere(place: &Place) -> Place {
    Place {
        repository: "alice/absent",
        reference: place.reference.clone(),
        digest: place.digest.clone(),
        upload: place.upload.clone(),
    }
}

async fn try_route(who: &Actor, method: &str, path: &str) -> (StatusCode, String) {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let path = if path.contains("/blobs/uploads/") && method == Method::PUT {
        format!("{path}?digest=sha256:{}", "0".repeat(64))
    } else {
        path.to_owned()
    };
    let response = who.send(who.bare(method, &path)).await;
    (response.status(), response.text().await.unwrap_or_default())
}

#[tokio::test]
async fn no_one_without_a_right_gets_past_any_route() {
    let (server, _, alice, anonymous) = Server::start_with_people().await;
    server.add_user("mallory", "mallory's password");
    let mallory = server.actor("mallory", "mallory's password");
    let place = alices_place(&alice).await;
    let absent = nowhere(&place);
    for (method, pattern, demands) in ROUTES {
        for (who, outsider) in [("anonymous", &anonymous), ("mallory", &mallory)] {
            let (status, body) = try_route(outsider, method, &place.fill(pattern)).await;
            let refused = status == StatusCode::UNAUTHORIZED;
            match demands {
                Right => {
                    assert!(refused, "{who} {method} {pattern}: {status} {body}");
                    let (there_not, other) = try_route(outsider, method, &absent.fill(pattern)).await;
                    let same = body.replace("alice/app", "X") == other.replace("alice/absent", "X");
                    assert!(
                        there_not == status && same,
                        "{who} {method} {pattern} tells whether it exists: {body} {other}"
                    );
                }
                // Any valid token will do, also one for no one: it tells clients how to continue.
                Login => assert_eq!(status, StatusCode::OK, "{who} {method} {pattern}: {body}"),
                LoginAndFilters if who == "mallory" => {
                    assert_eq!(status, StatusCode::OK, "{who} {method} {pattern}: {body}");
                    assert!(!body.contains("alice/app"), "{who} {method} {pattern}: {body}");
                }
                LoginAndFilters => assert!(!body.contains("alice/app"), "{who} {method} {pattern}: {body}"),
                Nothing => assert!(!body.contains("alice"), "{who} {method} {pattern}: {body}"),
            }
        }
    }
    for (method, pattern, _) in ROUTES.iter().filter(|(.., demands)| matches!(demands, Login | LoginAndFilters)) {
        let bare = anonymous.bare(method.parse().expect("a method"), pattern).send().await.expect("an answer");
        assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "{method} {pattern} without credentials");
    }
    // What was refused was not done either: all of it is still there for alice.
    for (method, path) in [("GET", "/v2/<name>/manifests/<reference>"), ("GET", "/v2/<name>/blobs/<digest>")] {
        let (status, body) = try_route(&alice, method, &place.fill(path)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let (status, body) = try_route(&alice, "GET", &place.fill("/v2/<name>/blobs/uploads/<id>")).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
}

#[tokio::test]
async fn the_owner_gets_past_every_route() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let place = alices_place(&alice).await;
    for (method, pattern, _) in ROUTES.iter().filter(|(.., demands)| *demands == Right) {
        let (status, body) = try_route(&alice, method, &place.fill(pattern)).await;
        assert!(![401, 403].contains(&status.as_u16()), "{method} {pattern}: {status} {body}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_even_where_everyone_may_pull() {
    let (server, admin, _, anonymous) = Server::start_with_people().await;
    Image::of("public").push(&admin, "public/app", "v1").await;
    server.run(&["grant", "add", "--to", "anonymous", "--on", "public/**", "--allow", "pull"]);
    eventually("the grant", async || anonymous.get("/v2/public/app/manifests/v1").await.status() == StatusCode::OK)
        .await;
    let liar = server.actor("admin", "not the password");
    for path in ["/v2/", "/v2/public/app/manifests/v1", "/auth/token"] {
        let response = liar.basic(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let unknown = server.actor("unknown", "not the password");
    let one = unknown.basic(Method::GET, "/v2/").send().await.expect("an answer").text().await.expect("text");
    let other = liar.basic(Method::GET, "/v2/").send().await.expect("an answer").text().await.expect("text");
    assert_eq!(one, other, "whether a user exists is not told");
}
