//! Clients that ask and do not read: the registry's memory stays within its bound, and others are served.

use bytes::Bytes;
use futures_util::FutureExt;
use h2::client::SendRequest;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::image::{MANIFEST_TYPE, push_blob};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Raw, Server};

/// The most that the process may hold, in bytes.
const LIMIT: u64 = 256 * 1024 * 1024;

fn authorization() -> String {
    use base64::Engine;
    let pair = format!("admin:{ADMIN_PASSWORD}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\r\n", authorization())
}

/// The most memory that the server has held.
fn held(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// Whether others are served, and how much memory all of it took.
async fn expect_bounded(server: &Server, admin: &Actor, what: &str) {
    // What has been asked for is on its way or stuck by then.
    server.settled().await;
    assert_eq!(admin.get("/v2/").await.status(), StatusCode::OK, "{what}: others are served");
    let held = held(server);
    assert!(held <= LIMIT, "{what}: {} MiB", held / 1024 / 1024);
}

/// Several manifests of 4 MiB each.
async fn push_large_manifests(admin: &Actor, count: usize) -> Vec<String> {
    let config = push_blob(admin, "app", b"{}").await;
    let mut paths = Vec::new();
    for number in 0..count {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [],
            "annotations": {"number": number.to_string(), "rest": "x".repeat(4_190_000)},
        });
        let path = format!("/v2/app/manifests/v{number}");
        let put = admin.bare(Method::PUT, &path).header("content-type", MANIFEST_TYPE).body(manifest.to_string());
        assert_eq!(admin.send(put).await.status(), StatusCode::CREATED);
        paths.push(path);
    }
    paths
}

/// A connection of HTTP/2 whose windows let this much through.
async fn http2(server: &Server, window: u32) -> SendRequest<Bytes> {
    let stream = Raw::connect(server).await.into_stream();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(1 << 20);
    let (requests, connection) = builder.handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    requests
}

async fn ask(requests: &SendRequest<Bytes>, path: &str) -> h2::client::ResponseFuture {
    let request = http::Request::get(format!("https://localhost{path}")).header("authorization", authorization());
    let mut requests = requests.clone().ready().await.expect("a place for a stream");
    requests.send_request(request.body(()).expect("a request"), true).expect("sent").0
}

#[tokio::test]
async fn a_thousand_pulls_that_are_stalled_fit_into_the_bound() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let digest = push_blob(&admin, "app", &vec![3; 10 * 1024 * 1024]).await;
    let request = get(&format!("/v2/app/blobs/{digest}"));
    let mut stalled = Vec::new();
    for _ in 0..1000 {
        let mut raw = Raw::connect(&server).await;
        raw.send(&request).await;
        stalled.push(raw);
    }
    expect_bounded(&server, &admin, "1,000 stalled pulls").await;
}

#[tokio::test]
async fn a_thousand_streams_that_are_stalled_fit_into_the_bound() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let digest = push_blob(&admin, "app", &vec![3; 10 * 1024 * 1024]).await;
    let path = format!("/v2/app/blobs/{digest}");
    let (mut clients, mut stalled) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let client = http2(&server, 1000).await;
        for _ in 0..100 {
            stalled.push(ask(&client, &path).await);
        }
        clients.push(client);
    }
    expect_bounded(&server, &admin, "1,000 stalled streams").await;
}

#[tokio::test]
async fn answers_that_are_never_read_fit_into_the_bound() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let paths = push_large_manifests(&admin, 12).await;
    let mut deaf = Vec::new();
    for path in paths.iter().cycle().take(120) {
        let mut raw = Raw::connect(&server).await;
        raw.send(get(path).repeat(4)).await;
        deaf.push(raw);
    }
    expect_bounded(&server, &admin, "120 connections with 4 unread answers of 4 MiB each").await;
}

#[tokio::test]
async fn manifests_whose_window_stays_shut_fit_into_the_bound() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let paths = push_large_manifests(&admin, 12).await;
    let (mut clients, mut stalled) = (Vec::new(), Vec::new());
    for window in [0, 0, 1, 1] {
        let client = http2(&server, window).await;
        for path in paths.iter().cycle().take(60) {
            stalled.push(ask(&client, path).await);
        }
        clients.push(client);
    }
    expect_bounded(&server, &admin, "240 streams with a manifest of 4 MiB and a shut window").await;
}

#[tokio::test]
async fn a_small_manifest_does_not_wait_behind_the_large_ones_that_another_user_has_asked_for() {
    let (server, admin, alice, _) = Server::start_with_people().await;
    let paths = push_large_manifests(&admin, 12).await;
    let (mut clients, mut greedy) = (Vec::new(), Vec::new());
    Image::of("small").push(&alice, "alice/app", "v1").await;
    for _ in 0..4 {
        let client = http2(&server, 0).await;
        for path in paths.iter().cycle().take(60) {
            greedy.push(ask(&client, path).await);
        }
        clients.push(client);
    }
    assert_eq!(alice.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK);
    let answered = greedy.iter_mut().filter_map(FutureExt::now_or_never).count();
    assert!(answered < greedy.len(), "all {answered} others were served before");
}
