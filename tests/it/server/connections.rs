//! What clients send that no library would, and what the registry says before it has read all of a request: every answer arrives.

use reqwest::StatusCode;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::image::{digest, push_blob};
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Raw, Server, eventually};

/// More than the buffers in between hold.
const BODY: usize = 12 * 1024 * 1024;

fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}")))
}

/// Sends a head and all of a large body, and reads only then.
async fn upload(server: &Server, request: &str, authorization: &str) -> (u16, String) {
    let mut raw = Raw::connect(server).await;
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\ncontent-length: {BODY}\r\n\r\n"
    );
    raw.send(head).await;
    raw.send(vec![0; BODY]).await;
    let answer = raw.try_answer().await.expect("the answer arrives");
    (answer.status, answer.header("connection").to_owned())
}

#[tokio::test]
async fn every_refusal_of_an_upload_arrives() {
    let server = Server::start_with("[limits]\nblob_size = \"1MiB\"\nmanifest_size = \"64KiB\"\n").await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = basic("alice", ALICE_PASSWORD);
    let absent = digest(b"absent");
    let cases = [
        ("POST /v2/alice/app/blobs/uploads/", "Bearer nonsense", 401),
        ("PUT /v2/alice/app/manifests/v1", alice.as_str(), 413),
        (&format!("POST /v2/alice/app/blobs/uploads/?digest={absent}"), &alice, 413),
        ("PATCH /v2/alice/app/blobs/uploads/0198c0de-0000-7000-8000-000000000000", &alice, 413),
        ("POST /v2/bob/app/blobs/uploads/", &alice, 401),
        ("POST /v2/alice/APP/blobs/uploads/", &alice, 400),
        ("POST /nowhere", &alice, 404),
        ("POST /v2/", &alice, 405),
    ];
    for (request, authorization, status) in cases {
        for _ in 0..3 {
            let answer = upload(&server, request, authorization).await;
            assert_eq!(answer, (status, "close".to_owned()), "{request}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_to_who_sends_a_layer() {
    let server = Server::start_with("[storage]\nmin_free_space = \"1024TiB\"\n").await;
    let absent = digest(b"absent");
    let request = format!("POST /v2/app/blobs/uploads/?digest={absent}");
    assert_eq!(upload(&server, &request, &basic("admin", ADMIN_PASSWORD)).await, (507, "close".to_owned()));
}

#[tokio::test]
async fn a_request_has_one_host_and_one_encoding() {
    let server = Server::start().await;
    let cases = [
        ("GET /health/live HTTP/1.1\r\nhost: localhost\r\n", 200),
        ("GET /health/live HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", 400),
        ("GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400),
        ("GET /health/live HTTP/1.1\r\n", 400),
        ("GET /health/live HTTP/1.1\r\nhost:\r\n", 400),
        ("GET /health/live HTTP/1.1\r\nhost: a/b\r\n", 400),
        ("GET /health/live HTTP/1.1\r\nhost: user@localhost\r\n", 400),
        ("GET https://localhost/health/live HTTP/1.1\r\nhost: other\r\n", 200),
        ("GET /health/live HTTP/1.0\r\n", 200),
        ("POST /auth/token HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n", 501),
        ("POST /auth/token HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, chunked\r\n", 501),
        ("POST /auth/token HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n", 400),
    ];
    for (request, status) in cases {
        let mut raw = Raw::connect(&server).await;
        raw.send(format!("{request}\r\n")).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, status, "{request}");
        if status >= 400 {
            assert_eq!(answer.header("connection"), "close", "{request}");
            assert!(raw.read_to_end().await.is_empty(), "{request}");
        }
    }
    // A length next to an encoding: the encoding counts, and the connection is not used again (RFC 9112, section 6.1).
    let mut raw = Raw::connect(&server).await;
    raw.send(
        "POST /auth/token HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert_eq!(raw.answer().await.header("connection"), "close");
    assert!(raw.read_to_end().await.is_empty(), "what follows is not a request");
}

#[tokio::test]
async fn a_connection_that_is_kept_says_for_how_long() {
    let server = Server::start_with("[server]\nkeep_alive = \"33s\"\n").await;
    let mut raw = Raw::connect(&server).await;
    let answer = raw.ask("GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!((answer.header("connection"), answer.header("keep-alive")), ("keep-alive", "timeout=33"));
}

#[tokio::test]
async fn without_file_descriptors_clients_are_told_to_come_back() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let mut requests = Vec::new();
    for seed in [5, 6] {
        let blob = push_blob(&admin, "app", &vec![seed; 100_000]).await;
        let authorization = basic("admin", ADMIN_PASSWORD);
        requests.push(format!(
            "GET /v2/app/blobs/{blob} HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n\r\n"
        ));
    }
    let mut raw = Raw::connect(&server).await;
    assert_eq!(raw.ask(&requests[0]).await.status, 200);
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    // No descriptor above those that are in use; the hard limit stays, so that it can be raised again.
    let usual = getrlimit(Resource::Nofile);
    let old = prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), ..usual }).expect("our own process");
    // Of a file that is not open any more, or not yet.
    let answer = raw.ask(&requests[1]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.body);
    prlimit(pid, Resource::Nofile, old).expect("our own process");
    assert_eq!(raw.ask(&requests[1]).await.status, 200);
    eventually("newcomers are let in again", async || admin.get("/v2/").await.status() == StatusCode::OK).await;
}

#[tokio::test]
async fn a_low_limit_on_files_lowers_what_is_served_at_once_and_says_so() {
    let mut server = Server::absent("");
    server.initialise();
    server.configure("[server]\nmax_connections = 1000000\n");
    server.spawn().await;
    let log = server.log();
    assert!(log.contains("the limit on open files is too low for server.max_connections"), "{log}");
}
