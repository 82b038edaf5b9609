//! The errors of the protocol as one table: a request, and what must come of it.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::{Actor, Image, Server, eventually, header};

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum By {
    Alice,
    NoOne,
}
use By::{Alice, NoOne};

/// `(who, request, header, body, status, code, a header of the answer and what it contains)`; empty texts stand for none.
///
/// `{blob}` `{manifest}` `{session}` exist in alice/app; `{absent}` is a digest that no blob has.
type Row = (By, &'static str, &'static str, &'static str, u16, &'static str, &'static str);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // UNAUTHORIZED: with a challenge that says what would do.
    (NoOne, "GET /v2/", "", "", 401, "UNAUTHORIZED", "www-authenticate: Bearer realm="),
    (NoOne, "GET /v2/alice/app/manifests/v1", "", "", 401, "UNAUTHORIZED", "www-authenticate: scope=\"repository:alice/app:pull\""),
    (NoOne, "POST /v2/alice/app/blobs/uploads/", "", "", 401, "UNAUTHORIZED", "www-authenticate: scope=\"repository:alice/app:pull,push\""),
    (NoOne, "DELETE /v2/alice/app/blobs/{blob}", "", "", 401, "UNAUTHORIZED", "www-authenticate: scope=\"repository:alice/app:delete\""),
    (NoOne, "GET /v2/_catalog", "", "", 401, "UNAUTHORIZED", "www-authenticate: scope=\"registry:catalog:*\""),
    (NoOne, "GET /v2/", "authorization: Bearer nonsense", "", 401, "UNAUTHORIZED", "www-authenticate: error=\"invalid_token\""),
    (NoOne, "GET /v2/", "authorization: Digest nonsense", "", 401, "UNAUTHORIZED", "www-authenticate: Bearer"),
    (NoOne, "GET /v2/", "authorization: Basic %%%", "", 401, "UNAUTHORIZED", "www-authenticate: Bearer"),
    (NoOne, "GET /auth/token", "authorization: Bearer nonsense", "", 401, "UNAUTHORIZED", "www-authenticate: Basic"),
    (Alice, "GET /v2/bob/app/tags/list", "", "", 401, "UNAUTHORIZED", "www-authenticate: error=\"insufficient_scope\""),
    // NAME_INVALID, NAME_UNKNOWN.
    (Alice, "GET /v2/alice/APP/tags/list", "", "", 400, "NAME_INVALID", ""),
    (Alice, "GET /v2/alice//app/tags/list", "", "", 400, "NAME_INVALID", ""),
    (Alice, "GET /v2/alice%2fapp/tags/list", "", "", 400, "NAME_INVALID", ""),
    (Alice, "GET /v2/alice/%61pp/tags/list", "", "", 400, "NAME_INVALID", ""),
    (Alice, "GET /v2/-alice/app/manifests/v1", "", "", 400, "NAME_INVALID", ""),
    (Alice, "GET /v2/alice/absent/tags/list", "", "", 404, "NAME_UNKNOWN", ""),
    (Alice, "GET /v2/alice/absent/manifests/v1", "", "", 404, "NAME_UNKNOWN", ""),
    (NoOne, "GET /nowhere", "", "", 404, "NAME_UNKNOWN", ""),
    (NoOne, "GET /v1/_ping", "", "", 404, "NAME_UNKNOWN", ""),
    // MANIFEST_UNKNOWN, MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN.
    (Alice, "GET /v2/alice/app/manifests/absent", "", "", 404, "MANIFEST_UNKNOWN", ""),
    (Alice, "GET /v2/alice/app/manifests/{absent}", "", "", 404, "MANIFEST_UNKNOWN", ""),
    (Alice, "DELETE /v2/alice/app/manifests/absent", "", "", 404, "MANIFEST_UNKNOWN", ""),
    (Alice, "GET /v2/alice/app/manifests/.bad", "", "", 400, "MANIFEST_INVALID", ""),
    (Alice, "PUT /v2/alice/app/manifests/v2", "content-type: application/vnd.oci.image.manifest.v1+json", "{}", 400, "MANIFEST_INVALID", ""),
    (Alice, "PUT /v2/alice/app/manifests/v2", "content-type: application/vnd.oci.image.index.v1+json", "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"a/b\",\"digest\":\"{absent}\",\"size\":1}]}", 400, "MANIFEST_BLOB_UNKNOWN", ""),
    (Alice, "PUT /v2/alice/app/manifests/v1", "if-none-match: *", "{manifest body}", 412, "MANIFEST_INVALID", ""),
    // BLOB_UNKNOWN, DIGEST_INVALID, SIZE_INVALID.
    (Alice, "GET /v2/alice/app/blobs/{absent}", "", "", 404, "BLOB_UNKNOWN", ""),
    (Alice, "GET /v2/alice/absent/blobs/{blob}", "", "", 404, "BLOB_UNKNOWN", ""),
    (Alice, "DELETE /v2/alice/app/blobs/{absent}", "", "", 404, "BLOB_UNKNOWN", ""),
    (Alice, "GET /v2/alice/app/blobs/sha256:0", "", "", 400, "DIGEST_INVALID", ""),
    (Alice, "GET /v2/alice/app/blobs/..%2f..%2fportcullis.db", "", "", 400, "DIGEST_INVALID", ""),
    (Alice, "GET /v2/alice/app/referrers/v1", "", "", 400, "DIGEST_INVALID", ""),
    (Alice, "POST /v2/alice/app/blobs/uploads/?mount=x&from=alice/other", "", "", 400, "DIGEST_INVALID", ""),
    (Alice, "POST /v2/alice/app/blobs/uploads/?digest={absent}", "", "content", 400, "DIGEST_INVALID", ""),
    (Alice, "PUT {session}", "", "", 400, "DIGEST_INVALID", ""),
    (Alice, "PUT /v2/alice/app/manifests/{absent}", "content-type: application/vnd.oci.image.manifest.v1+json", "{manifest body}", 400, "DIGEST_INVALID", ""),
    (Alice, "PATCH {session}", "content-range: 0-9", "short", 400, "SIZE_INVALID", ""),
    (Alice, "GET /v2/alice/app/blobs/{blob}", "range: bytes=99-", "", 416, "SIZE_INVALID", "content-range: bytes */6"),
    // BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID.
    (Alice, "GET /v2/alice/app/blobs/uploads/nonsense", "", "", 404, "BLOB_UPLOAD_UNKNOWN", ""),
    (Alice, "PATCH /v2/alice/app/blobs/uploads/0190b0f0-0000-7000-8000-000000000000", "", "x", 404, "BLOB_UPLOAD_UNKNOWN", ""),
    (Alice, "PATCH {session}", "content-range: 5-9", "later", 416, "BLOB_UPLOAD_INVALID", "range: 0-0"),
    (Alice, "PATCH {session}", "content-range: nonsense", "x", 416, "BLOB_UPLOAD_INVALID", ""),
    // UNSUPPORTED, and what else a list can be asked wrongly.
    (Alice, "PUT /v2/", "", "", 405, "UNSUPPORTED", "allow: GET"),
    (Alice, "PATCH /v2/alice/app/manifests/v1", "", "", 405, "UNSUPPORTED", "allow: GET, PUT, DELETE"),
    (Alice, "PATCH {session}", "content-encoding: gzip", "x", 415, "UNSUPPORTED", ""),
    (Alice, "GET /v2/alice/app/tags/list?n=x", "", "", 400, "PAGINATION_NUMBER_INVALID", ""),
    (NoOne, "POST /auth/token", "content-type: application/x-www-form-urlencoded", "grant_type=magic", 400, "UNSUPPORTED", ""),
    (NoOne, "POST /auth/token", "content-type: application/x-www-form-urlencoded", "grant_type=refresh_token", 400, "UNSUPPORTED", ""),
    (NoOne, "POST /auth/token", "content-type: application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token=pcl_rt_x", 401, "UNAUTHORIZED", "www-authenticate: Basic"),
];

struct Place {
    image: Image,
    blob: String,
    session: String,
}

impl Place {
    async fn make(alice: &Actor) -> Self {
        let image = Image::of("errors");
        image.push(alice, "alice/app", "v1").await;
        let blob = push_blob(alice, "alice/app", b"a blob").await;
        let session = header(&alice.post("/v2/alice/app/blobs/uploads/").await, "location");
        Self { image, blob, session }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{manifest body}", &String::from_utf8_lossy(&self.image.manifest))
            .replace("{blob}", &self.blob)
            .replace("{session}", &self.session)
            .replace("{absent}", &digest(b"no one has this"))
    }
}

#[tokio::test]
async fn each_error_has_its_status_its_code_and_its_headers() {
    let (_server, _, alice, no_one) = Server::start_with_people().await;
    let place = Place::make(&alice).await;
    let mut wrong = Vec::new();
    for (by, request, sent, body, status, code, expected) in TABLE {
        let (method, path) = request.split_once(' ').expect("method and path");
        let who = match by {
            Alice => &alice,
            NoOne => &no_one,
        };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut builder = who.bare(method, &place.fill(path));
        if let Some((name, value)) = sent.split_once(": ") {
            builder = builder.header(name, value);
        }
        if !body.is_empty() {
            builder = builder.body(place.fill(body));
        }
        // Without a token, not even an anonymous one.
        let response = match by {
            Alice => who.send(builder).await,
            NoOne => builder.send().await.expect("an answer"),
        };
        let (name, part) = expected.split_once(": ").unwrap_or(("content-type", "application/json"));
        let (found, value) = (response.status().as_u16(), header(&response, name));
        let text = response.text().await.expect("text");
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        let entry = &json["errors"][0];
        if found != *status || entry["code"] != *code || !value.contains(part) || !entry["message"].is_string() {
            wrong.push(format!("{by:?} {request} [{sent}]: {found} {name}: {value} {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let status = alice.get(&place.session).await;
    assert_eq!(header(&status, "range"), "0-0", "no refused chunk left a byte");
    let v1 = alice.get("/v2/alice/app/manifests/v1").await;
    assert_eq!(header(&v1, "docker-content-digest"), place.image.digest());
    assert_eq!(alice.head("/v2/alice/app/manifests/v2").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn too_large_is_413_before_and_after_the_first_byte() {
    const MIB: usize = 1024 * 1024;
    let mut server = Server::start_with("[limits]\nblob_size = \"1MiB\"\nmanifest_size = \"64KiB\"\n").await;
    let admin = server.actor("admin", crate::support::server::ADMIN_PASSWORD);
    let large = vec![1; 2 * MIB];
    let path = "/v2/app/blobs/uploads/";
    let at_once = admin.bare(Method::POST, path).query(&[("digest", digest(&large))]).body(large.clone());
    let refused = admin.send(at_once).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.text().await.expect("text").contains("SIZE_INVALID"));
    let session = header(&admin.post(path).await, "location");
    let half = |part: &[u8]| admin.bare(Method::PATCH, &session).body(part.to_vec());
    assert_eq!(admin.send(half(&large[..MIB / 3 * 2])).await.status(), StatusCode::ACCEPTED);
    assert_eq!(admin.send(half(&large[..MIB / 3 * 2])).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    push_blob(&admin, "app", &large[..MIB]).await;
    let refused = admin.put("/v2/app/manifests/v1", MANIFEST_TYPE, vec![b' '; 65 * 1024]).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    server.stop().await;
}

#[tokio::test]
async fn too_many_at_once_are_asked_to_come_again() {
    let server =
        Server::start_with("[limits]\nconcurrent_uploads = 1\n[auth]\npassword_concurrency = 1\npassword_queue = 0\n")
            .await;
    let admin = server.actor("admin", crate::support::server::ADMIN_PASSWORD);
    let session = header(&admin.post("/v2/app/blobs/uploads/").await, "location");
    let other = header(&admin.post("/v2/app/blobs/uploads/").await, "location");
    let token = admin.token(&["repository:app:pull,push"]).await.expect("a token");
    // A body whose end is in our hands: its upload holds the only place once its first bytes are on the disk.
    let (let_go, held) = tokio::sync::oneshot::channel::<()>();
    let first = futures_util::stream::once(async { Ok::<_, std::io::Error>(vec![1; 1024 * 1024]) });
    let rest = futures_util::stream::once(async move {
        let _ = held.await;
        Ok(vec![2; 1024])
    });
    let body = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(first, rest));
    let slow = tokio::spawn(admin.with_token(Method::PATCH, &session, &token).body(body).send());
    let staged = server.data().join("uploads").join(session.rsplit('/').next().expect("a name"));
    eventually("the slow upload writes", async || std::fs::metadata(&staged).is_ok_and(|file| file.len() > 0)).await;
    let refused = admin.with_token(Method::PATCH, &other, &token).body("x").send().await.expect("an answer");
    assert_eq!((refused.status(), header(&refused, "retry-after").as_str()), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(refused.text().await.expect("text").contains("\"TOOMANYREQUESTS\""));
    let_go.send(()).expect("the body still waits");
    assert_eq!(slow.await.expect("no panic").expect("an answer").status(), StatusCode::ACCEPTED);

    let guesses = (0..8).map(|n| {
        let request = admin.bare(Method::GET, "/auth/token").basic_auth("admin", Some(format!("guess {n}")));
        async { request.send().await.expect("an answer").status() }
    });
    let answers = futures_util::future::join_all(guesses).await;
    assert!(
        answers.contains(&StatusCode::UNAUTHORIZED) && answers.contains(&StatusCode::TOO_MANY_REQUESTS),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_read_only_registry_denies_every_change_and_continues_serving() {
    let (mut server, _, alice, _) = Server::start_with_people().await;
    let place = Place::make(&alice).await;
    server.stop().await;
    server.configure("[storage]\nread_only = true\n");
    server.spawn().await;
    let alice = server.actor("alice", crate::support::server::ALICE_PASSWORD);
    let (image, blob, session) = (place.image.digest(), &place.blob, &place.session);
    let denied = [
        (Method::PUT, "/v2/alice/app/manifests/v1".to_owned()),
        (Method::DELETE, "/v2/alice/app/manifests/v1".to_owned()),
        (Method::DELETE, format!("/v2/alice/app/manifests/{image}")),
        (Method::DELETE, format!("/v2/alice/app/blobs/{blob}")),
        (Method::POST, "/v2/alice/app/blobs/uploads/".to_owned()),
        (Method::POST, format!("/v2/alice/app/blobs/uploads/?digest={blob}")),
        (Method::POST, format!("/v2/alice/other/blobs/uploads/?mount={blob}&from=alice/app")),
        (Method::PATCH, session.clone()),
        (Method::PUT, format!("{session}?digest={blob}")),
        (Method::DELETE, session.clone()),
    ];
    for (method, path) in denied {
        let request = alice.bare(method.clone(), &path).header("content-type", MANIFEST_TYPE);
        let refused = alice.send(request.body(place.image.manifest.clone())).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{method} {path}");
        let body: Value = refused.json().await.expect("JSON");
        assert_eq!(body["errors"][0]["code"], "DENIED", "{method} {path}");
    }
    assert_eq!(alice.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK);
    assert_eq!(alice.get(&format!("/v2/alice/app/blobs/{blob}")).await.text().await.expect("text"), "a blob");
    assert_eq!(alice.get(session).await.status(), StatusCode::NO_CONTENT, "the session waits for better times");
    let outsider = server.anonymous().post("/v2/alice/app/blobs/uploads/").await;
    assert_eq!(outsider.status(), StatusCode::UNAUTHORIZED, "rights come first");
}
