//! When the object store is away, slow, or the wire to it breaks: never half a blob, never without end, and manifests all the while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::image::digest;
use crate::support::s3::{Bucket, PART};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, eventually, header};

/// A registry that reaches its bucket through a wire that can break.
async fn behind_a_wire() -> (Server, Actor, FaultProxy) {
    let wire = FaultProxy::to(&Bucket::address());
    let bucket = Arc::new(Bucket::new().behind(wire.port()));
    let mut server = Server::absent("").with_bucket(&bucket);
    server.initialise();
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    (server, admin, wire)
}

fn content(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 249).expect("small") ^ seed).collect()
}

/// POST and PUT of a whole blob; what became of it.
async fn try_push(who: &Actor, content: &[u8]) -> StatusCode {
    let post = who.bare(Method::POST, "/v2/app/blobs/uploads/").query(&[("digest", digest(content))]);
    who.send(post.body(content.to_vec())).await.status()
}

/// The blob, if all of it came.
async fn try_pull(who: &Actor, content: &[u8]) -> Option<Vec<u8>> {
    let response = who.get(&format!("/v2/app/blobs/{}", digest(content))).await;
    if response.status() != StatusCode::OK {
        return None;
    }
    response.bytes().await.ok().map(Into::into)
}

#[tokio::test]
async fn while_the_object_store_is_away_manifests_are_served_and_blobs_are_503_at_once() {
    let (server, admin, wire) = behind_a_wire().await;
    let image = Image::with_layer("before", content(300_000, 1));
    image.push(&admin, "app", "v1").await;
    wire.set(Fault::Cut);
    let layer = format!("/v2/app/blobs/{}", digest(&image.layer));
    for _ in 0..4 {
        let away = admin.get(&layer).await;
        assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!header(&away, "retry-after").is_empty());
        let body: serde_json::Value = away.json().await.expect("JSON, as every error of the protocol");
        assert_eq!(body["errors"][0]["code"], "UNAVAILABLE");
    }
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(admin.get(&layer).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it is not asked each time: {:?}", begun.elapsed());
    assert_eq!(try_push(&admin, b"new").await, StatusCode::SERVICE_UNAVAILABLE);
    let manifest = admin.get("/v2/app/manifests/v1").await;
    assert_eq!(manifest.bytes().await.expect("a body"), image.manifest);
    assert_eq!(admin.get("/health/ready").await.status(), StatusCode::OK, "manifests are served");
    assert!(server.log().contains("blobs are answered 503"));
    wire.set(Fault::None);
    eventually("blobs are back", async || admin.get(&layer).await.status() == StatusCode::OK).await;
    assert_eq!(try_push(&admin, b"new").await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_server_starts_while_the_object_store_is_away() {
    let (mut server, admin, wire) = behind_a_wire().await;
    Image::of("before").push(&admin, "app", "v1").await;
    server.stop().await;
    wire.set(Fault::Cut);
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    assert_eq!(admin.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);
    assert!(server.log().contains("does not answer"), "{}", server.log());
    wire.set(Fault::None);
    eventually("blobs are back", async || try_push(&admin, b"new").await == StatusCode::CREATED).await;
}

#[tokio::test]
async fn a_wire_that_breaks_gives_whole_blobs_or_clear_errors() {
    let (_server, admin, wire) = behind_a_wire().await;
    let large = content(3 * PART + 70_000, 2);
    assert_eq!(try_push(&admin, &large).await, StatusCode::CREATED);
    let faults = [Fault::Corrupt(3_000_000), Fault::Delay(Duration::from_millis(1)), Fault::Corrupt(500_000)];
    for (round, fault) in faults.into_iter().enumerate() {
        wire.set(fault);
        let pushed = content(2 * PART + 10_000 + round, 3 + u8::try_from(round).expect("small"));
        let pull = try_pull(&admin, &large);
        let (status, pulled) = tokio::join!(try_push(&admin, &pushed), pull);
        assert!(
            status == StatusCode::CREATED || status == StatusCode::SERVICE_UNAVAILABLE,
            "{fault:?}: {status} does not say what happened"
        );
        assert!(pulled.is_none_or(|pulled| pulled == large), "{fault:?}: half a blob, or a wrong one");
        wire.set(Fault::None);
        eventually("it works when repeated", async || try_push(&admin, &pushed).await == StatusCode::CREATED).await;
        assert!(try_pull(&admin, &pushed).await.expect("all of it") == pushed, "{fault:?}");
        assert!(try_pull(&admin, &large).await.expect("all of it") == large, "{fault:?}");
    }
}

#[tokio::test]
async fn a_download_that_is_cut_off_is_continued() {
    let (_server, admin, wire) = behind_a_wire().await;
    let large = content(4 * PART, 9);
    assert_eq!(try_push(&admin, &large).await, StatusCode::CREATED);
    for _ in 0..3 {
        wire.set(Fault::Delay(Duration::from_millis(1)));
        let pull = try_pull(&admin, &large);
        let cut = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                wire.cut_once().await;
                wire.set(Fault::Delay(Duration::from_millis(1)));
            }
        };
        let (pulled, ()) = tokio::join!(pull, cut);
        assert!(pulled.is_none_or(|pulled| pulled == large), "half a blob, or a wrong one");
    }
    wire.set(Fault::None);
    assert!(try_pull(&admin, &large).await.expect("all of it") == large);
}

/// Without TLS, so that the wire sees what it is about: a request may have worked though its answer never came.
#[tokio::test]
async fn what_was_done_though_the_answer_was_lost_is_found_done_when_repeated() {
    let wire = FaultProxy::to(&Bucket::plain_address());
    let bucket = Arc::new(Bucket::new().behind_plain(wire.port()));
    let mut server = Server::absent("").with_bucket(&bucket);
    server.initialise();
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let whole = content(300_000, 7);
    let session = header(&admin.post("/v2/app/blobs/uploads/").await, "location");
    let patch = || admin.send(admin.bare(Method::PATCH, &session).body(whole.clone()));
    wire.set(Fault::LoseAnswer("PUT /"));
    assert_eq!(patch().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(wire.struck() > 0, "it was stored, and no one heard of it");
    wire.set(Fault::None);
    eventually("it is sent again", async || patch().await.status() == StatusCode::ACCEPTED).await;
    let commit = admin.bare(Method::PUT, &session).query(&[("digest", digest(&whole))]);
    assert_eq!(admin.send(commit).await.status(), StatusCode::CREATED);
    assert!(try_pull(&admin, &whole).await.expect("all of it") == whole);
    // Requests that do not arrive are sent again at once.
    wire.set(Fault::LoseRequest("PUT /"));
    let second = content(300_000, 8);
    assert_eq!(try_push(&admin, &second).await, StatusCode::CREATED);
    wire.set(Fault::None);
    assert!(try_pull(&admin, &second).await.expect("all of it") == second);
    assert_eq!(bucket.objects().len(), 2, "{:?}", bucket.objects());
}

/// As a server that is stopped and not dead: it accepts connections and never answers.
#[tokio::test]
async fn an_object_store_that_says_nothing_is_not_waited_for_without_end() {
    let (_server, admin, wire) = behind_a_wire().await;
    let image = Image::with_layer("before", content(300_000, 1));
    image.push(&admin, "app", "v1").await;
    wire.set(Fault::Stalled);
    let begun = Instant::now();
    assert!(try_pull(&admin, &image.layer).await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    assert_eq!(admin.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);
    wire.set(Fault::None);
    eventually("blobs are back", async || try_pull(&admin, &image.layer).await.is_some()).await;
}
