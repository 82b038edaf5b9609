//! Blobs in a bucket: one registry on it, and two that share a bucket and a database.

use std::sync::Arc;

use reqwest::{Method, Response, StatusCode};

use crate::support::image::{digest, push_blob};
use crate::support::s3::{Bucket, PART};
use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Image, Server, header, postgres};

const UPLOADS: &str = "/v2/app/blobs/uploads/";

async fn on_a_bucket(bucket: &Arc<Bucket>, config: &str) -> (Server, Actor) {
    let mut server = Server::absent(config).with_bucket(bucket);
    server.initialise();
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    (server, admin)
}

/// Two registries on one database and one bucket. Each has a CA of its own here.
async fn two_nodes(bucket: &Arc<Bucket>) -> [(Server, Actor); 2] {
    let url = postgres::database();
    let mut first = Server::absent("").with_bucket(bucket).with_database(&url);
    first.initialise();
    first.spawn().await;
    let mut second = Server::absent("").with_bucket(bucket).with_database(&url);
    copy_secrets(&first, &second);
    second.spawn().await;
    let actors = [&first, &second].map(|node| node.actor("admin", ADMIN_PASSWORD));
    let [one, other] = actors;
    [(first, one), (second, other)]
}

/// The second node has the data directory of the first, but for its lock.
fn copy_secrets(from: &Server, to: &Server) {
    let copied = std::process::Command::new("cp").arg("--recursive").arg(from.data()).arg(to.data()).status();
    assert!(copied.expect("cp runs").success());
}

fn content(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).expect("small") ^ seed).collect()
}

async fn open(who: &Actor) -> String {
    header(&who.post(UPLOADS).await, "location")
}

async fn patch(who: &Actor, session: &str, from: usize, body: &[u8]) -> Response {
    let range = format!("{from}-{}", from + body.len() - 1);
    who.send(who.bare(Method::PATCH, session).header("content-range", range).body(body.to_vec())).await
}

async fn commit(who: &Actor, session: &str, content: &[u8], body: &[u8]) -> Response {
    who.send(who.bare(Method::PUT, session).query(&[("digest", digest(content))]).body(body.to_vec())).await
}

async fn expect_blob(who: &Actor, content: &[u8]) {
    let response = who.get(&format!("/v2/app/blobs/{}", digest(content))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.expect("a body") == content);
}

#[tokio::test]
async fn a_registry_pushes_and_pulls_from_a_bucket_and_leaves_no_rest_there() {
    let bucket = Arc::new(Bucket::new());
    let (mut server, admin) = on_a_bucket(&bucket, "").await;
    let image = Image::with_layer("large", content(2 * PART + 100_000, 1));
    image.push(&admin, "app", "v1").await;
    assert_eq!(bucket.objects().len(), 2);
    image.push(&admin, "other", "v1").await;
    assert_eq!(bucket.objects().len(), 2, "what is known is stored once");
    expect_blob(&admin, &image.layer).await;
    let layer = format!("/v2/app/blobs/{}", digest(&image.layer));
    let range = format!("bytes={}-{}", PART - 10, PART + 9);
    let part = admin.send(admin.bare(Method::GET, &layer).header("range", range)).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.expect("a body"), image.layer[PART - 10..PART + 10]);
    assert_eq!(header(&admin.head(&layer).await, "content-length"), image.layer.len().to_string());

    // In chunks, with a restart between, and one that is given up.
    let whole = content(PART + 300_000, 2);
    let session = open(&admin).await;
    assert_eq!(patch(&admin, &session, 0, &whole[..200_000]).await.status(), StatusCode::ACCEPTED);
    server.kill().await;
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    assert_eq!(header(&admin.get(&session).await, "range"), "0-199999");
    assert_eq!(patch(&admin, &session, 200_000, &whole[200_000..PART + 100_000]).await.status(), StatusCode::ACCEPTED);
    server.stop().await;
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let committed = commit(&admin, &session, &whole, &whole[PART + 100_000..]).await;
    assert_eq!(committed.status(), StatusCode::CREATED);
    expect_blob(&admin, &whole).await;
    let given_up = open(&admin).await;
    assert_eq!(patch(&admin, &given_up, 0, &whole[..PART + 70_000]).await.status(), StatusCode::ACCEPTED);
    assert!(bucket.objects().iter().any(|(name, _)| name.starts_with("t/")));
    assert_eq!(admin.delete(&given_up).await.status(), StatusCode::NO_CONTENT);
    let objects = bucket.objects();
    assert!(objects.len() == 3 && objects.iter().all(|(name, _)| name.starts_with("u/")), "{objects:?}");

    // The digest is wrong: nothing stays.
    let session = open(&admin).await;
    assert_eq!(commit(&admin, &session, &whole, &whole[..PART + 70_000]).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(bucket.objects().len(), 3);
}

#[tokio::test]
async fn a_content_that_is_lost_in_the_bucket_is_brought_back_by_the_next_push() {
    let bucket = Arc::new(Bucket::new());
    let (_server, admin) = on_a_bucket(&bucket, "").await;
    let whole = content(100_000, 3);
    push_blob(&admin, "app", &whole).await;
    bucket.lose_everything();
    let path = format!("/v2/app/blobs/{}", digest(&whole));
    assert_eq!(admin.head(&path).await.status(), StatusCode::NOT_FOUND);
    assert!(admin.get(&path).await.status().is_server_error());
    push_blob(&admin, "app", &whole).await;
    expect_blob(&admin, &whole).await;
}

#[tokio::test]
async fn chunks_of_one_upload_may_reach_any_node() {
    let bucket = Arc::new(Bucket::new());
    let [(mut first, one), (_second, other)] = two_nodes(&bucket).await;
    let whole = content(3 * PART + 12_345, 4);
    let session = open(&one).await;
    let cuts = [0, 1, 30_000, PART - 5, PART + 200_000, 2 * PART, 3 * PART];
    for (number, cut) in cuts.windows(2).enumerate() {
        let who = if number % 2 == 0 { &other } else { &one };
        let patched = patch(who, &session, cut[0], &whole[cut[0]..cut[1]]).await;
        assert_eq!(patched.status(), StatusCode::ACCEPTED, "{}", patched.text().await.unwrap_or_default());
    }
    first.kill().await;
    first.spawn().await;
    let one = first.actor("admin", ADMIN_PASSWORD);
    assert_eq!(commit(&one, &session, &whole, &whole[3 * PART..]).await.status(), StatusCode::CREATED);
    expect_blob(&other, &whole).await;
    expect_blob(&one, &whole).await;
    assert_eq!(bucket.objects().len(), 1);

    // Given up on the other node.
    let session = open(&one).await;
    assert_eq!(patch(&one, &session, 0, &whole[..PART + 100_000]).await.status(), StatusCode::ACCEPTED);
    assert_eq!(other.delete(&session).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(one.get(&session).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(bucket.objects().len(), 1);
}

/// Before a multipart upload has begun, and after.
#[tokio::test]
async fn of_two_chunks_at_the_same_place_on_two_nodes_one_counts() {
    let bucket = Arc::new(Bucket::new());
    let [(_first, one), (_second, other)] = two_nodes(&bucket).await;
    for (round, begun) in [0, 100, PART + 100_000, 2 * PART].into_iter().enumerate() {
        let head = content(begun.max(1), 5);
        let session = open(&one).await;
        assert_eq!(patch(&one, &session, 0, &head).await.status(), StatusCode::ACCEPTED);
        let seed = u8::try_from(round).expect("small");
        let (mine, theirs) = (content(PART + 80_000, 10 + seed), content(PART + 70_000, 20 + seed));
        let (first, second) =
            tokio::join!(patch(&one, &session, head.len(), &mine), patch(&other, &session, head.len(), &theirs));
        let statuses = [first.status(), second.status()];
        assert!(statuses.contains(&StatusCode::ACCEPTED), "{statuses:?}");
        assert!(statuses.contains(&StatusCode::RANGE_NOT_SATISFIABLE), "{statuses:?}");
        let counts = if first.status() == StatusCode::ACCEPTED { &mine } else { &theirs };
        let whole = [head, counts.clone()].concat();
        let length = header(&other.get(&session).await, "range");
        assert_eq!(length, format!("0-{}", whole.len() - 1));
        let committed = commit(&other, &session, &whole, b"").await;
        assert_eq!(committed.status(), StatusCode::CREATED, "{}", committed.text().await.unwrap_or_default());
        expect_blob(&one, &whole).await;
        assert_eq!(bucket.objects().len(), round + 1, "what did not count is gone: {:?}", bucket.objects());
    }
}

#[tokio::test]
async fn clients_of_some_networks_are_sent_to_the_object_store_itself() {
    let bucket = Arc::new(Bucket::new());
    let address = Bucket::address();
    let rule = format!("[blobs.s3]\nredirect = [\"127.0.0.2/32\"]\npublic_endpoint = \"https://{address}\"\n");
    let (server, admin) = on_a_bucket(&bucket, &rule).await;
    let whole = content(200_000, 6);
    let path = format!("/v2/app/blobs/{}", push_blob(&admin, "app", &whole).await);
    expect_blob(&admin, &whole).await;
    let near = server.actor_at([127, 0, 0, 2], "admin", ADMIN_PASSWORD);
    let sent = near.get(&path).await;
    assert_eq!(sent.status(), StatusCode::TEMPORARY_REDIRECT);
    let location = header(&sent, "location");
    assert!(
        location.starts_with(&format!("https://{address}/")) && location.contains("X-Amz-Expires=300"),
        "{location}"
    );
    assert!(!location.contains("localhost"), "no other name of it: {location}");
    let found = Bucket::client().get(&location).send().await.expect("an answer");
    assert_eq!(header(&found, "content-type"), "application/octet-stream");
    assert!(found.bytes().await.expect("a body") == whole);
    assert_eq!(near.head(&path).await.status(), StatusCode::OK, "never for HEAD");
    let anonymous = server.anonymous();
    assert_eq!(anonymous.get(&path).await.status(), StatusCode::UNAUTHORIZED, "never without a right");
}
