//! Clients that take more than their share: slow bodies, unfinished uploads and manifests, floods of refused requests. Others do not
//! notice.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, Image, Raw, Server, eventually, header};

const UPLOADS: &str = "/v2/alice/app/blobs/uploads/";

async fn start(config: &str) -> (Server, Actor, Actor) {
    let server = Server::start_with(config).await;
    server.add_user("alice", ALICE_PASSWORD);
    let (admin, alice) = (server.actor("admin", ADMIN_PASSWORD), server.actor("alice", ALICE_PASSWORD));
    (server, admin, alice)
}

async fn open(who: &Actor) -> String {
    header(&who.post(UPLOADS).await, "location")
}

async fn token(who: &Actor) -> String {
    who.token(&["repository:alice/app:pull,push"]).await.expect("a token")
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A request with a body of `length` bytes, of which only `sent` are sent so far.
async fn begin(server: &Server, head: &str, token: &str, length: usize, sent: &[u8]) -> Raw {
    let mut raw = Raw::connect(server).await;
    let host = server.host();
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let form = if head.ends_with("/auth/token") { format!("Content-Type: {FORM}\r\n") } else { String::new() };
    raw.send(format!("{head} HTTP/1.1\r\nHost: {host}\r\n{authorization}{form}Content-Length: {length}\r\n\r\n")).await;
    raw.send(sent).await;
    raw
}

/// The code and message of the only error in an answer.
fn only_error(body: &str) -> (String, String) {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let entry = &body["errors"][0];
    let text = |name: &str| entry[name].as_str().unwrap_or_else(|| panic!("{name} in {body}")).to_owned();
    (text("code"), text("message"))
}

#[tokio::test]
async fn the_slow_bodies_of_one_user_leave_the_places_to_others() {
    let (server, admin, alice) = start("[limits]\nconcurrent_uploads = 2\n").await;
    let token = token(&alice).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let session = open(&alice).await;
        slow.push((begin(&server, &format!("PATCH {session}"), &token, 1 << 20, &[7; 1000]).await, session));
    }
    // Once a body has been silent for a moment, what has come is written.
    eventually("both have begun", async || {
        slow.iter().all(|(_, session)| {
            let file = server.data().join("uploads").join(session.rsplit('/').next().expect("a name"));
            std::fs::metadata(file).is_ok_and(|file| file.len() == 1000)
        })
    })
    .await;
    push_blob(&admin, "app", b"the places are not held by those who send nothing").await;
    let third = alice.send(alice.bare(Method::PATCH, &open(&alice).await).body("x")).await;
    assert_eq!((third.status(), header(&third, "retry-after").as_str()), (StatusCode::TOO_MANY_REQUESTS, "1"));
    let (code, message) = only_error(&third.text().await.expect("text"));
    assert_eq!(code, "TOOMANYREQUESTS");
    assert!(message.contains("limits.concurrent_uploads") && message.contains("user:alice"), "{message}");
    let (mut raw, _) = slow.remove(0);
    raw.send(vec![7; (1 << 20) - 1000]).await;
    assert_eq!(raw.answer().await.status, 202, "a slow upload is an upload");
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_and_an_upload_keeps_what_came() {
    let (server, _, alice) = start("[server]\nidle_timeout = \"5s\"\n").await;
    let (token, session) = (token(&alice).await, open(&alice).await);
    let mut slow = Vec::new();
    for (head, token) in [
        (format!("PATCH {session}"), token.as_str()),
        ("PUT /v2/alice/app/manifests/v1".to_owned(), &token),
        ("POST /auth/token".to_owned(), ""),
    ] {
        slow.push((begin(&server, &head, token, 10_000, b"x").await, head));
    }
    let trickle = slow.into_iter().map(async |(mut raw, head)| {
        // A byte each second keeps no idle limit from being met; the average is what counts.
        for _ in 0..60 {
            match tokio::time::timeout(Duration::from_secs(1), raw.try_answer()).await {
                Ok(answer) => return (answer.unwrap_or_else(|| panic!("{head}: hung up without an answer")), head),
                Err(_) => raw.send(b"x").await,
            }
        }
        panic!("{head}: not cut off");
    });
    for (answer, head) in futures_util::future::join_all(trickle).await {
        assert_eq!(answer.status, 408, "{head}: {answer:?}");
        let (_, message) = only_error(&answer.body);
        assert!(message.contains("server.minimum_rate"), "{head}: {message}");
    }
    let status = alice.get(&session).await;
    assert_eq!(status.status(), StatusCode::NO_CONTENT, "the session can be resumed");
    assert_ne!(header(&status, "range"), "0-0", "with what came");
}

#[tokio::test]
async fn unfinished_uploads_are_limited_for_each_account() {
    let (_server, admin, alice) = start("[limits]\nuploads_per_account = 3\n").await;
    let sessions = [open(&alice).await, open(&alice).await, open(&alice).await];
    let refused = alice.post("/v2/alice/other/blobs/uploads/").await;
    assert_eq!((refused.status(), header(&refused, "retry-after").as_str()), (StatusCode::TOO_MANY_REQUESTS, "60"));
    let (code, message) = only_error(&refused.text().await.expect("text"));
    assert_eq!(code, "TOOMANYREQUESTS");
    for part in ["user:alice", "3 unfinished uploads", "limits.uploads_per_account", "storage.upload_expiry"] {
        assert!(message.contains(part), "{message}");
    }
    push_blob(&admin, "app", b"others are not concerned").await;
    assert_eq!(alice.delete(&sessions[0]).await.status(), StatusCode::NO_CONTENT);
    let content = b"finishing one makes room as well";
    let put = alice.bare(Method::PUT, &sessions[1]).query(&[("digest", digest(content))]).body(content.to_vec());
    assert_eq!(alice.send(put).await.status(), StatusCode::CREATED);
    open(&alice).await;
    open(&alice).await;
    assert_eq!(alice.post(UPLOADS).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn unfinished_manifests_of_one_user_fill_only_a_share_of_the_memory() {
    let (server, admin, alice) = start("[limits]\nmanifest_size = \"64KiB\"\nbody_memory = \"4MiB\"\n").await;
    let token = token(&alice).await;
    let mut held = Vec::new();
    // 64 of these would be 4 MiB; a share is a quarter.
    for _ in 0..24 {
        let put = "PUT /v2/alice/app/manifests/v1";
        held.push(begin(&server, put, &token, 64 * 1024, &vec![b' '; 64 * 1024 - 1]).await);
    }
    let mut refused = 0;
    for mut raw in held.drain(..) {
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(500), raw.try_answer()).await {
            let answer = answer.expect("an answer");
            assert_eq!((answer.status, answer.header("retry-after")), (429, "1"), "{answer:?}");
            assert!(only_error(&answer.body).1.contains("limits.body_memory"), "{}", answer.body);
            refused += 1;
        }
    }
    assert!((8..=12).contains(&refused), "16 fit into the share, and {refused} were refused");
    Image::of("others").push(&admin, "app", "v1").await;
}

#[tokio::test]
async fn a_form_is_small() {
    let (server, ..) = start("").await;
    let anonymous = server.anonymous();
    let form = format!("grant_type=password&username=a&password={}", "x".repeat(20_000));
    let post = anonymous.bare(Method::POST, "/auth/token").header("content-type", FORM).body(form);
    let refused = post.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut raw = begin(&server, "POST /auth/token", "", 1 << 30, b"").await;
    assert_eq!(raw.answer().await.status, 413, "refused by what is announced, before a byte of it has come");
}

#[tokio::test]
async fn a_flood_of_refused_requests_is_summed_up_in_the_log() {
    const REQUESTS: usize = 3000;
    let (server, ..) = start("").await;
    let before = server.log().len();
    let path = format!("/v2/alice/app/manifests/{}", "x".repeat(6000));
    let request = format!("{} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", "Q".repeat(1000), server.host());
    for _ in 0..REQUESTS / 100 {
        let mut raw = Raw::connect(&server).await;
        for _ in 0..100 {
            assert_eq!(raw.ask(&request).await.status, 405);
        }
    }
    eventually("one line tells of the rest", async || {
        server.log().contains("more requests without a valid credential were refused")
    })
    .await;
    let log = server.log();
    let written = log.len() - before;
    assert!(written < 200_000, "{written} bytes for {REQUESTS} refusals");
    let answered: Vec<&str> = log.lines().filter(|line| line.contains("\"answered\"")).collect();
    assert!(!answered.is_empty(), "some are told one by one");
    assert!(answered.iter().all(|line| line.len() < 1500), "{}", answered[0]);
    assert!(answered.iter().any(|line| line.contains(&format!("... ({} bytes)", path.len()))), "{}", answered[0]);
    let summed = log.lines().find(|line| line.contains("more requests without")).expect("the line");
    let summed: Value = serde_json::from_str(summed).expect("JSON");
    assert!(summed["by_status"].as_str().expect("text").contains("405: "), "{summed}");
}

#[tokio::test]
async fn what_a_user_does_is_logged_line_by_line() {
    let (server, _, alice) = start("").await;
    // More than any other place of the program may write in ten seconds.
    for _ in 0..250 {
        assert_eq!(alice.delete("/v2/alice/app/manifests/absent").await.status(), StatusCode::NOT_FOUND);
    }
    let is_told = |line: &&str| line.contains("/manifests/absent") && line.contains("\"status\":404");
    eventually("each has its line", async || server.log().lines().filter(is_told).count() == 250).await;
}

#[tokio::test]
async fn without_file_descriptors_requests_are_asked_to_come_again() {
    let (server, admin, _) = start("").await;
    let image = Image::of("descriptors");
    image.push(&admin, "app", "v1").await;
    let session = header(&admin.post("/v2/app/blobs/uploads/").await, "location");
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a number")).expect("a process");
    let limit = getrlimit(Resource::Nofile);
    // Below what is open already, which stays so: no new one fits.
    let lowered = Rlimit { current: Some(3), ..limit };
    prlimit(Some(pid), Resource::Nofile, lowered).expect("the limit is ours to lower");
    // The connection is there already; the file is what cannot be opened.
    let mut answers = Vec::new();
    for request in [
        admin.bare(Method::PATCH, &session).body(vec![7; 100_000]),
        admin.bare(Method::GET, &format!("/v2/app/blobs/{}", digest(&image.layer))),
    ] {
        answers.push(admin.send(request).await);
    }
    prlimit(Some(pid), Resource::Nofile, limit).expect("and to raise");
    for answer in answers {
        let wait = header(&answer, "retry-after");
        assert_eq!((answer.status(), wait.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert_eq!(header(&answer, "content-type"), "application/json");
        let (code, message) = only_error(&answer.text().await.expect("text"));
        assert_eq!(code, "UNAVAILABLE");
        assert!(message.contains("try again"), "{message}");
    }
    let put = admin.put("/v2/app/manifests/again", MANIFEST_TYPE, image.manifest.clone()).await;
    assert_eq!(put.status(), StatusCode::CREATED, "and then it works");
}
