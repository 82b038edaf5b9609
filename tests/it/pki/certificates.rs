//! The certificate in use: swapped under load, and no one notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Body, Method, StatusCode};

use crate::support::image::digest;
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Raw, Server, eventually, header};

const SWAPS: usize = 5;
const CONNECTIONS: usize = 200;

/// Asks on an open connection; the answer must come, and be whole.
async fn asks(connection: &mut Raw, request: &str) {
    let answer = connection.ask(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_certificate_is_swapped_under_200_connections_and_a_running_push_without_one_failure() {
    // Time enough between two requests of a connection, also on a machine with other things to do.
    let server = Arc::new(Server::start_with("[server]\nheader_timeout = \"2m\"\n").await);
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    let token = alice.token(&["repository:alice/app:pull,push"]).await.expect("a token");
    let ping = format!("GET /v2/ HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", server.host());
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Raw::connect(&server).await;
        asks(&mut connection, &ping).await;
        open.push(connection);
    }
    let old = open[0].certificate().to_vec();

    // A push that lasts as long as the test wants, and clients that come and go.
    let done = Arc::new(AtomicBool::new(false));
    let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
    let session = header(&opened, "location");
    let body = slow_body(Arc::clone(&done));
    let request = alice.with_token(Method::PATCH, &session, &token).body(Body::wrap_stream(body));
    let push = tokio::spawn(request.send());
    let visits = Arc::new(AtomicUsize::new(0));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (server, done, visits, ping) =
                (Arc::clone(&server), Arc::clone(&done), Arc::clone(&visits), ping.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    asks(&mut Raw::connect(&server).await, &ping).await;
                    visits.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    let mut seen = old.clone();
    for _ in 0..SWAPS {
        server.run(&["cert", "renew"]);
        eventually("the new certificate is served", async || Raw::connect(&server).await.certificate() != seen).await;
        seen = Raw::connect(&server).await.certificate().to_vec();
        for connection in &mut open {
            asks(connection, &ping).await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("no visitor failed");
    }
    let patched = push.await.expect("sent").expect("answered");
    assert_eq!(patched.status(), StatusCode::ACCEPTED);
    let length: usize = header(&patched, "range").trim_start_matches("0-").parse::<usize>().expect("a range") + 1;
    let content: Vec<u8> = (0..length / CHUNK).flat_map(chunk).collect();
    let commit = format!("{}?digest={}", header(&patched, "location"), digest(&content));
    let committed = alice.with_token(Method::PUT, &commit, &token).send().await.expect("an answer");
    assert_eq!(committed.status(), StatusCode::CREATED);
    assert!(open.iter().all(|connection| connection.certificate() == old), "each kept what it began with");
    assert!(visits.load(Ordering::Relaxed) > 50, "{visits:?} visitors came in the meantime");
}

const CHUNK: usize = 64 * 1024;

fn chunk(number: usize) -> Vec<u8> {
    (0..CHUNK).map(|at| u8::try_from((at * 31 + number * 7) % 251).expect("below 251")).collect()
}

/// Chunks until `done`, with a little time between them.
fn slow_body(done: Arc<AtomicBool>) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter(0_usize..).take_while(move |_| std::future::ready(!done.load(Ordering::Relaxed))).then(
        |number| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Bytes::from(chunk(number)))
        },
    )
}
