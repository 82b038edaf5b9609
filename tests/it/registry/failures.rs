//! When something gives out: the disk, the patience, the sense of what a client sends. Never a 5xx for a client's mistake, never a
//! secret in the log, never half of something visible.

use reqwest::{Method, StatusCode};
use std::path::Path;
use std::process::Command;

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, DEADLINE, Image, Raw, Server, eventually, header, require};

/// Nothing can be stored, everything can be read, and the answer is fit for a person.
async fn expect_full(who: &Actor, server: &Server, content: Vec<u8>) {
    let expected = digest(&content);
    let post = who.bare(Method::POST, "/v2/app/blobs/uploads/").query(&[("digest", &expected)]).body(content);
    let response = who.send(post).await;
    assert_eq!(response.status(), StatusCode::INSUFFICIENT_STORAGE);
    let id = header(&response, "x-request-id");
    assert_eq!(header(&response, "content-type"), "application/json");
    let body: serde_json::Value = response.json().await.expect("JSON, as every error of the protocol");
    let error = &body["errors"][0];
    let message = error["message"].as_str().expect("text");
    assert!(error["code"] == "UNAVAILABLE" && message.contains("full") && message.contains("X-Request-Id"), "{body}");
    assert!(!id.is_empty());
    eventually("the log knows the request", async || server.log().contains(&id)).await;
    assert_eq!(who.head(&format!("/v2/app/blobs/{expected}")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn uploads_are_refused_with_507_while_the_disk_is_below_its_floor() {
    let mut server = Server::start().await;
    let image = Image::of("before");
    image.push(&server.actor("admin", ADMIN_PASSWORD), "app", "v1").await;
    server.stop().await;
    server.configure("[storage]\nmin_free_space = \"1024TiB\"\n");
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    expect_full(&admin, &server, b"one more".to_vec()).await;
    assert_eq!(admin.get("/v2/app/manifests/v1").await.text().await.expect("text").as_bytes(), image.manifest);
    assert_eq!(admin.delete("/v2/app/manifests/v1").await.status(), StatusCode::ACCEPTED, "deleting helps");
}

/// A small file system of its own; unmounted when the test ends.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount, which is an error in continuous integration.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory");
        let option = format!("size={size},mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "portcullis-test"]).arg(at).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        require(mounted, "the right to mount a small file system", "run the tests as root").then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_is_really_full_loses_nothing_and_recovers() {
    let place = tempfile::TempDir::new().expect("a directory");
    let Some(_disk) = SmallDisk::mount(&place.path().join("disk"), "24m") else { return };
    let mut server = Server::absent_at(&place.path().join("disk/data"), "[storage]\nmin_free_space = \"0B\"\n");
    server.initialise();
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let image = Image::of("before");
    image.push(&admin, "app", "v1").await;
    expect_full(&admin, &server, vec![9; 40 * 1024 * 1024]).await;
    // In a session, by parts.
    let session = header(&admin.post("/v2/app/blobs/uploads/").await, "location");
    let patched = admin.send(admin.bare(Method::PATCH, &session).body(vec![8; 40 * 1024 * 1024])).await;
    assert_eq!(patched.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert!([204, 404, 507].contains(&admin.get(&session).await.status().as_u16()));
    assert!(admin.delete(&session).await.status() != StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(admin.get("/v2/app/manifests/v1").await.text().await.expect("text").as_bytes(), image.manifest);
    push_blob(&admin, "app", &vec![7; 1024 * 1024]).await;
    server.stop().await;
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    assert_eq!(admin.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);
    push_blob(&admin, "app", &vec![6; 1024 * 1024]).await;
}

#[tokio::test]
async fn a_server_starts_on_a_full_disk_and_serves_what_is_there() {
    let place = tempfile::TempDir::new().expect("a directory");
    let Some(_disk) = SmallDisk::mount(&place.path().join("disk"), "24m") else { return };
    let mut server = Server::absent_at(&place.path().join("disk/data"), "[storage]\nmin_free_space = \"0B\"\n");
    server.initialise();
    server.spawn().await;
    let image = Image::of("before");
    image.push(&server.actor("admin", ADMIN_PASSWORD), "app", "v1").await;
    server.stop().await;
    // What a start needs to read the database, and not enough to write to it.
    let free = |wanted: u64| {
        let filler = place.path().join("disk/filler");
        std::fs::write(&filler, vec![1; 24 << 20]).expect_err("the disk is full");
        let taken = std::fs::metadata(&filler).expect("there").len();
        std::fs::File::options()
            .write(true)
            .open(&filler)
            .and_then(|file| file.set_len(taken - wanted))
            .expect("shorter");
        filler
    };
    let filler = free(48 << 10);
    server.spawn().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let pulled = admin.get("/v2/app/manifests/v1").await;
    assert_eq!(pulled.text().await.expect("text").as_bytes(), image.manifest);
    std::fs::remove_file(filler).expect("ours");
    push_blob(&admin, "app", &vec![6; 1024 * 1024]).await;
}

#[tokio::test]
async fn nothing_that_a_client_sends_is_answered_5xx() {
    // Unfinished requests are answered, or hung up on, when they have been silent for so long.
    let server = Server::start_with("[server]\nidle_timeout = \"5s\"\n").await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    Image::of("a").push(&alice, "alice/app", "v1").await;
    let token = alice.token(&["repository:alice/app:pull,push,delete"]).await.expect("a token");
    let standard = format!("Host: {}\r\nAuthorization: Bearer {token}\r\n", server.host());
    let long = "a".repeat(9000);
    let requests = [
        format!("GET /v2/{long}/tags/list HTTP/1.1\r\n{standard}\r\n"),
        format!("GET /v2/alice/app/manifests/{long} HTTP/1.1\r\n{standard}\r\n"),
        format!("GET /v2/alice/app/tags/list?last={long}&n=5 HTTP/1.1\r\n{standard}\r\n"),
        format!("GET /v2/alice/app/tags/list?last=%00%ff&n=5 HTTP/1.1\r\n{standard}\r\n"),
        format!("GET /v2/_catalog?last=%00%ff HTTP/1.1\r\n{standard}\r\n"),
        format!("GET /v2/alice/app/manifests/%00 HTTP/1.1\r\n{standard}\r\n"),
        format!("GET /v2/alice/app/manifests/../../../etc/passwd HTTP/1.1\r\n{standard}\r\n"),
        format!("GET http://[::1 HTTP/1.1\r\n{standard}\r\n"),
        format!("GET * HTTP/1.1\r\n{standard}\r\n"),
        format!("CONNECT a:1 HTTP/1.1\r\n{standard}\r\n"),
        format!("TRACE / HTTP/1.1\r\n{standard}\r\n"),
        format!("BREW /v2/ HTTP/1.1\r\n{standard}\r\n"),
        "GET /v2/ HTTP/1.1\r\nHost: a\"b\r\n\r\n".to_owned(),
        "GET /v2/ HTTP/1.1\r\nHost: user@evil.test\r\n\r\n".to_owned(),
        "GET /v2/ HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /v2/ HTTP/1.1\r\n{standard}Authorization: \u{fc}\r\n\r\n"),
        format!("GET /v2/alice/app/blobs/x HTTP/1.1\r\n{standard}Range: bytes=\u{fc}\r\n\r\n"),
        format!("POST /v2/alice/app/blobs/uploads/?digest=%ff HTTP/1.1\r\n{standard}Content-Length: 0\r\n\r\n"),
        format!("POST /v2/alice/app/blobs/uploads/ HTTP/1.1\r\n{standard}Content-Length: -1\r\n\r\n"),
        format!(
            "POST /v2/alice/app/blobs/uploads/ HTTP/1.1\r\n{standard}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"
        ),
        format!("POST /v2/alice/app/blobs/uploads/ HTTP/1.1\r\n{standard}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!(
            "PUT /v2/alice/app/manifests/x HTTP/1.1\r\n{standard}Content-Type: \u{fc}/x\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
        format!(
            "PUT /v2/alice/app/manifests/x HTTP/1.1\r\n{standard}If-Match: nonsense\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
        format!("PUT /v2/alice/app/manifests/x HTTP/1.1\r\n{standard}Content-Length: 99999999999999999999\r\n\r\n"),
        format!("POST /auth/token HTTP/1.1\r\n{standard}Content-Length: 3\r\n\r\n\u{ff}\r"),
        "nonsense\r\n\r\n".to_owned(),
        "\r\n\r\n\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
    ];
    let answers = requests.iter().map(async |request| {
        let mut raw = Raw::connect(&server).await;
        raw.send(request).await;
        let begin: String = request.chars().take(120).collect();
        // Hanging up is an answer, too; never is not.
        let answer = tokio::time::timeout(DEADLINE, raw.try_answer()).await;
        if let Some(answer) = answer.unwrap_or_else(|_| panic!("{begin}: no answer")) {
            assert!(answer.status < 500, "{begin}: {answer:?}");
        }
    });
    futures_util::future::join_all(answers).await;
    assert_eq!(alice.get("/v2/alice/app/manifests/v1").await.status(), StatusCode::OK);
    assert!(!server.log().contains("panic"), "{}", server.log());
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let mut server = Server::absent("[log]\nlevel = \"trace\"\n");
    server.spawn().await;
    let first = std::fs::read_to_string(server.data().join("initial-admin-password")).expect("the first password");
    let first = first.lines().next().expect("a line").to_owned();
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    Image::of("logged").push(&alice, "alice/app", "v1").await;
    alice.get("/v2/alice/app/manifests/v1").await;
    alice.basic(Method::GET, "/v2/").send().await.expect("an answer");
    server.actor("admin", &first).basic(Method::GET, "/v2/").send().await.expect("an answer");
    server.actor("alice", "canary-wrong-password").basic(Method::GET, "/v2/").send().await.expect("an answer");
    let token = alice.token(&["repository:alice/app:pull,push"]).await.expect("a token");
    alice.with_token(Method::GET, "/v2/alice/app/tags/list", &token).send().await.expect("an answer");
    let fields = [("grant_type", "password"), ("username", "alice"), ("password", ALICE_PASSWORD)];
    alice.bare(Method::POST, "/auth/token").form(&fields).send().await.expect("an answer");
    let query = "/auth/token?password=canary-in-the-query&access_token=canary-in-the-query";
    alice.bare(Method::GET, query).send().await.expect("an answer");
    alice.put("/v2/alice/app/manifests/v1", MANIFEST_TYPE, "canary-in-a-body").await;
    let mut raw = Raw::connect(&server).await;
    raw.ask(&format!("GET /v2/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
    server.signal("TERM");
    let log = server.log_at_its_end().await;
    assert!(log.contains("TRACE") && log.contains("/v2/alice/app/manifests/v1"), "there is a log: {}", log.len());
    let basic = reqwest_basic("alice", ALICE_PASSWORD);
    let encoded = form_urlencoded::byte_serialize(ALICE_PASSWORD.as_bytes()).collect::<String>();
    let signature = token.rsplit('.').next().expect("a signature");
    let secrets = [
        first.as_str(),
        ALICE_PASSWORD,
        &basic,
        &encoded,
        &token,
        signature,
        "canary-wrong-password",
        "canary-in-the-query",
        "canary-in-a-body",
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret:?} is in the log: {}", line.unwrap_or_default());
    }
}

fn reqwest_basic(name: &str, password: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"))
}
