//! What was answered 201 is there, whatever ends the process; what was not is not half there.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::support::image::{MANIFEST_TYPE, digest};
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, Image, Raw, Server, eventually, header};

/// How often the process is killed.
const KILLS: usize = 15;
const WRITERS: usize = 4;

/// Paths below `/v2/`, and what is there since the answer 201.
type Acknowledged = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A request that may meet the end of the server: `None` where it did.
async fn attempt(request: reqwest::RequestBuilder) -> Option<StatusCode> {
    request.send().await.ok().map(|response| response.status())
}

/// Pushes image after image until the server is gone; notes what was acknowledged.
async fn push_until_killed(who: Actor, writer: usize, round: usize, acknowledged: Acknowledged) {
    for number in 0.. {
        let repository = format!("w{writer}");
        let tag = format!("r{round}-{number}");
        let layer = format!("{writer} {round} {number} ").repeat(20_000).into_bytes();
        let image = Image::with_layer(&format!("{writer}-{round}-{number}"), layer);
        for blob in [&image.config, &image.layer] {
            let path = format!("/v2/{repository}/blobs/uploads/");
            let post = who.basic(Method::POST, &path).query(&[("digest", digest(blob))]).body(blob.clone());
            match attempt(post).await {
                Some(status) => assert_eq!(status, StatusCode::CREATED),
                None => return,
            }
            let path = format!("{repository}/blobs/{}", digest(blob));
            acknowledged.lock().expect("not poisoned").push((path, blob.clone()));
        }
        let put = who.basic(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"));
        match attempt(put.header("content-type", MANIFEST_TYPE).body(image.manifest.clone())).await {
            Some(status) => assert_eq!(status, StatusCode::CREATED),
            None => return,
        }
        acknowledged.lock().expect("not poisoned").push((format!("{repository}/manifests/{tag}"), image.manifest));
    }
}

/// Everything that a tag names can be pulled and is intact.
async fn check_whole(admin: &Actor) {
    for writer in 0..WRITERS {
        let response = admin.basic(Method::GET, &format!("/v2/w{writer}/tags/list")).send().await.expect("an answer");
        let body: serde_json::Value = response.json().await.expect("JSON");
        for tag in body["tags"].as_array().into_iter().flatten().filter_map(|tag| tag.as_str()) {
            let read = async |path: String| {
                let response = admin.basic(Method::GET, &path).send().await.expect("an answer");
                assert_eq!(response.status(), StatusCode::OK, "{path}");
                response.bytes().await.expect("a body")
            };
            let manifest = read(format!("/v2/w{writer}/manifests/{tag}")).await;
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("whole");
            for blob in [&manifest["config"]["digest"], &manifest["layers"][0]["digest"]] {
                let blob = blob.as_str().expect("text");
                assert_eq!(digest(&read(format!("/v2/w{writer}/blobs/{blob}")).await), blob, "intact");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let mut server = Server::start().await;
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let who = server.actor("admin", ADMIN_PASSWORD);
                tokio::spawn(push_until_killed(who, writer, round, Arc::clone(&acknowledged)))
            })
            .collect();
        let before = acknowledged.lock().expect("not poisoned").len();
        if round % 3 != 0 {
            eventually("a few answers", async || acknowledged.lock().expect("not poisoned").len() >= before + 4).await;
        }
        // For no condition: the moment of the kill is what varies.
        tokio::time::sleep(Duration::from_millis(17 * (round as u64 % 8))).await;
        server.kill().await;
        for writer in writers {
            writer.await.expect("every answer before the end is 201");
        }
        server.spawn().await;
    }
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let acknowledged = acknowledged.lock().expect("not poisoned").split_off(0);
    assert!(acknowledged.len() >= KILLS, "the test pushed: {}", acknowledged.len());
    for (path, content) in &acknowledged {
        let response = admin.basic(Method::GET, &format!("/v2/{path}")).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path} was acknowledged");
        assert!(response.bytes().await.expect("a body") == content, "{path} is intact");
    }
    check_whole(&admin).await;
}

#[tokio::test]
async fn an_upload_continues_after_a_restart_from_where_the_session_stands() {
    let mut server = Server::start().await;
    server.add_user("alice", ALICE_PASSWORD);
    let content: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
    for graceful in [true, false] {
        let alice = server.actor("alice", ALICE_PASSWORD);
        let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
        let session = header(&opened, "location");
        let patched = alice.send(alice.bare(Method::PATCH, &session).body(content[..1_000_000].to_vec())).await;
        assert_eq!(header(&patched, "range"), "0-999999");
        if graceful {
            assert_eq!(server.stop().await.code(), Some(0));
        } else {
            server.kill().await;
        }
        server.spawn().await;
        let alice = server.actor("alice", ALICE_PASSWORD);
        let status = alice.get(&session).await;
        assert_eq!((status.status(), header(&status, "range")), (StatusCode::NO_CONTENT, "0-999999".to_owned()));
        let range = format!("1000000-{}", content.len() - 1);
        let rest =
            alice.bare(Method::PATCH, &session).header("content-range", range).body(content[1_000_000..].to_vec());
        assert_eq!(alice.send(rest).await.status(), StatusCode::ACCEPTED);
        let commit = alice.bare(Method::PUT, &session).query(&[("digest", digest(&content))]);
        assert_eq!(alice.send(commit).await.status(), StatusCode::CREATED);
        let pulled = alice.get(&format!("/v2/alice/app/blobs/{}", digest(&content))).await;
        assert_eq!(pulled.bytes().await.expect("a body"), content);
    }
}

#[tokio::test]
async fn a_restart_keeps_tokens_tags_and_the_authority() {
    let mut server = Server::start().await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    let image = Image::of("kept");
    image.push(&alice, "alice/app", "v1").await;
    let token = alice.token(&["repository:alice/app:pull"]).await.expect("a token");
    let keys = alice.get("/.well-known/jwks.json").await.text().await.expect("text");
    server.kill().await;
    server.spawn().await;
    // Verified with the CA that was exported before.
    let anonymous = server.anonymous();
    let pulled = anonymous.with_token(Method::GET, "/v2/alice/app/manifests/v1", &token).send().await;
    let pulled = pulled.expect("the same authority");
    assert_eq!((pulled.status(), header(&pulled, "docker-content-digest")), (StatusCode::OK, image.digest()));
    assert_eq!(anonymous.get("/.well-known/jwks.json").await.text().await.expect("text"), keys);
}

#[tokio::test]
async fn a_broken_upload_keeps_what_came_and_shows_nothing() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
    let session = header(&opened, "location");
    let token = alice.token(&["repository:alice/app:pull,push"]).await.expect("a token");
    let mut raw = Raw::connect(&server).await;
    let head = |method: &str, path: &str| {
        let host = server.host();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n"
        )
    };
    raw.send(format!("{}{}", head("PATCH", &session), "x".repeat(40))).await;
    drop(raw);
    eventually("what came is kept", async || header(&alice.get(&session).await, "range") == "0-39").await;
    // The closing request itself is cut off.
    let whole = digest("x".repeat(140).as_bytes());
    let mut raw = Raw::connect(&server).await;
    raw.send(format!("{}{}", head("PUT", &format!("{session}?digest={whole}")), "x".repeat(60))).await;
    drop(raw);
    eventually("what came is kept", async || header(&alice.get(&session).await, "range") == "0-99").await;
    assert_eq!(alice.head(&format!("/v2/alice/app/blobs/{whole}")).await.status(), StatusCode::NOT_FOUND);
    let put = alice.bare(Method::PUT, &session).query(&[("digest", &whole)]).body("x".repeat(40));
    assert_eq!(alice.send(put).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn sigterm_lets_transfers_end_and_refuses_new_connections() {
    const SIZE: usize = 24 * 1024 * 1024;
    let (mut server, _, alice, _) = Server::start_with_people().await;
    let large = vec![3; SIZE];
    let blob = crate::support::image::push_blob(&alice, "alice/app", &large).await;
    let session = header(&alice.post("/v2/alice/app/blobs/uploads/").await, "location");
    let token = alice.token(&["repository:alice/app:pull,push"]).await.expect("a token");
    let authorization = format!("Host: {}\r\nAuthorization: Bearer {token}\r\n", server.host());

    let mut download = Raw::connect(&server).await;
    download.send(format!("GET /v2/alice/app/blobs/{blob} HTTP/1.1\r\n{authorization}\r\n")).await;
    let mut received = download.read_some(1024).await.len();
    let sent = digest(b"slowly");
    let mut upload = Raw::connect(&server).await;
    let put = format!(
        "PUT {session}?digest={sent} HTTP/1.1\r\n{authorization}Expect: 100-continue\r\nContent-Length: 6\r\n\r\n"
    );
    assert_eq!(upload.ask(&put).await.status, 100, "the upload is under way");
    upload.send("slo").await;
    drop(alice);

    server.signal("TERM");
    let port = server.port();
    eventually("new connections are refused", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()
    })
    .await;
    upload.send("wly").await;
    assert_eq!(upload.answer().await.status, 201, "the upload ends");
    loop {
        match download.read_some(1 << 20).await.len() {
            0 => break,
            count => received += count,
        }
    }
    assert!(received > SIZE, "the download ends: {received}");
    assert_eq!(server.wait().await.code(), Some(0));
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    assert_eq!(alice.head(&format!("/v2/alice/app/blobs/{sent}")).await.status(), StatusCode::OK);
}
