//! Uploads in every form that clients use, and what becomes of those that go wrong.

use bytes::Bytes;
use reqwest::{Body, Method, Response, StatusCode};
use sha2::Digest as _;

use crate::support::image::{digest, push_blob};
use crate::support::{Actor, Raw, Server, header};

const UPLOADS: &str = "/v2/alice/app/blobs/uploads/";

/// Opens a session; its path.
async fn open(who: &Actor, query: &str) -> String {
    let opened = who.post(&format!("{UPLOADS}{query}")).await;
    assert_eq!(opened.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&opened, "range"), "0-0");
    let location = header(&opened, "location");
    assert!(location.starts_with(UPLOADS), "an absolute path: {location}");
    assert!(location.ends_with(&header(&opened, "docker-upload-uuid")));
    location
}

async fn patch(who: &Actor, path: &str, range: Option<&str>, body: &[u8]) -> Response {
    let mut request = who.bare(Method::PATCH, path).body(body.to_vec());
    if let Some(range) = range {
        request = request.header("content-range", range);
    }
    who.send(request).await
}

async fn commit(who: &Actor, path: &str, digest: &str, body: &[u8]) -> Response {
    who.send(who.bare(Method::PUT, path).query(&[("digest", digest)]).body(body.to_vec())).await
}

async fn expect_blob(who: &Actor, digest: &str, content: &[u8]) {
    let response = who.get(&format!("/v2/alice/app/blobs/{digest}")).await;
    assert_eq!(response.status(), StatusCode::OK, "{digest}");
    assert_eq!(header(&response, "docker-content-digest"), digest);
    assert_eq!(response.bytes().await.expect("a body"), content);
}

fn created(response: &Response, digest: &str) {
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(response, "docker-content-digest"), digest);
    assert_eq!(header(response, "location"), format!("/v2/alice/app/blobs/{digest}"));
}

fn sha512(bytes: &[u8]) -> String {
    sha2::Sha512::digest(bytes).iter().fold("sha512:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn a_blob_in_one_post_in_post_and_put_and_in_patches() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let one = b"in one post";
    let post = alice.bare(Method::POST, UPLOADS).query(&[("digest", digest(one))]).body(one.to_vec());
    created(&alice.send(post).await, &digest(one));
    expect_blob(&alice, &digest(one), one).await;

    let two = b"in post and put";
    let session = open(&alice, "").await;
    created(&commit(&alice, &session, &digest(two), two).await, &digest(two));
    expect_blob(&alice, &digest(two), two).await;

    let three = b"in three chunks, the last with put";
    let session = open(&alice, "").await;
    let first = patch(&alice, &session, Some("0-9"), &three[..10]).await;
    assert_eq!((first.status(), header(&first, "range")), (StatusCode::ACCEPTED, "0-9".to_owned()));
    let session = header(&first, "location");
    let second = patch(&alice, &session, Some("10-19"), &three[10..20]).await;
    assert_eq!(header(&second, "range"), "0-19");
    let status = alice.get(&header(&second, "location")).await;
    assert_eq!((status.status(), header(&status, "range")), (StatusCode::NO_CONTENT, "0-19".to_owned()));
    let session = header(&status, "location");
    let range = format!("20-{}", three.len() - 1);
    let last = alice.bare(Method::PUT, &session).query(&[("digest", digest(three))]).body(three[20..].to_vec());
    created(&alice.send(last.header("content-range", range)).await, &digest(three));
    expect_blob(&alice, &digest(three), three).await;
    assert_eq!(alice.get(&session).await.status(), StatusCode::NOT_FOUND, "the session is over");
}

#[tokio::test]
async fn a_stream_without_a_length_is_appended_as_docker_sends_it() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(5_000_000).collect();
    for who in [&alice, &server.alice_over_http1()] {
        let session = open(who, "").await;
        let chunks: Vec<Result<Bytes, std::io::Error>> =
            content.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let token = who.token(&["repository:alice/app:pull,push"]).await.expect("a token");
        let stream = Body::wrap_stream(futures_util::stream::iter(chunks));
        let patched = who.with_token(Method::PATCH, &session, &token).body(stream).send().await.expect("an answer");
        assert_eq!(patched.status(), StatusCode::ACCEPTED);
        assert_eq!(header(&patched, "range"), "0-4999999");
        created(&commit(who, &header(&patched, "location"), &digest(&content), b"").await, &digest(&content));
        expect_blob(who, &digest(&content), &content).await;
    }
}

#[tokio::test]
async fn a_chunk_out_of_order_is_416_and_the_session_survives() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let content = b"0123456789abcdef";
    let session = open(&alice, "").await;
    patch(&alice, &session, Some("0-4"), &content[..5]).await;
    for (range, body) in [("6-8", &content[6..9]), ("0-4", &content[..5]), ("4-5", &content[4..6])] {
        let refused = patch(&alice, &session, Some(range), body).await;
        assert_eq!(refused.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        let put = alice.bare(Method::PUT, &session).query(&[("digest", digest(content))]).body(body.to_vec());
        let refused = alice.send(put.header("content-range", range)).await;
        assert_eq!(refused.status(), StatusCode::RANGE_NOT_SATISFIABLE, "PUT {range}");
    }
    for range in ["bytes 5-6/16", "5-", "x", "6-5", "5-99999999999999999999999999"] {
        let refused = patch(&alice, &session, Some(range), &content[5..7]).await;
        assert!(refused.status().is_client_error(), "{range}: {}", refused.status());
    }
    let short = patch(&alice, &session, Some("5-9"), &content[5..7]).await;
    assert_eq!(short.status(), StatusCode::BAD_REQUEST, "fewer bytes than the range says");
    let status = alice.get(&session).await;
    assert_eq!((status.status(), header(&status, "range")), (StatusCode::NO_CONTENT, "0-4".to_owned()));
    let rest = patch(&alice, &session, Some("5-15"), &content[5..]).await;
    assert_eq!(rest.status(), StatusCode::ACCEPTED);
    created(&commit(&alice, &session, &digest(content), b"").await, &digest(content));
    expect_blob(&alice, &digest(content), content).await;
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_nothing_becomes_visible() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let (said, sent) = (digest(b"what was said"), b"what was sent");
    let session = open(&alice, "").await;
    let refused = commit(&alice, &session, &said, sent).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.text().await.expect("text").contains("DIGEST_INVALID"));
    let post = alice.bare(Method::POST, UPLOADS).query(&[("digest", &said)]).body(sent.to_vec());
    assert_eq!(alice.send(post).await.status(), StatusCode::BAD_REQUEST);
    for digest in [said, digest(sent)] {
        assert_eq!(alice.head(&format!("/v2/alice/app/blobs/{digest}")).await.status(), StatusCode::NOT_FOUND);
    }
    for malformed in ["", "sha256:", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "../../etc/passwd"] {
        let session = open(&alice, "").await;
        assert_eq!(commit(&alice, &session, malformed, sent).await.status(), StatusCode::BAD_REQUEST, "{malformed}");
    }
}

#[tokio::test]
async fn sha512_is_taken_whether_it_was_announced_or_not() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    for (query, content) in [("?digest-algorithm=sha512", &b"announced"[..]), ("", b"not announced")] {
        let session = open(&alice, query).await;
        created(&commit(&alice, &session, &sha512(content), content).await, &sha512(content));
        expect_blob(&alice, &sha512(content), content).await;
    }
    for (query, content) in [("?digest-algorithm=sha512", &b"announced, patched"[..]), ("", b"patched")] {
        let session = open(&alice, query).await;
        patch(&alice, &session, None, content).await;
        created(&commit(&alice, &session, &sha512(content), b"").await, &sha512(content));
        expect_blob(&alice, &sha512(content), content).await;
    }
    let session = open(&alice, "?digest-algorithm=sha512").await;
    patch(&alice, &session, None, b"the other way round").await;
    let other = digest(b"the other way round");
    created(&commit(&alice, &session, &other, b"").await, &other);
    assert!(alice.post(&format!("{UPLOADS}?digest-algorithm=md5")).await.status().is_client_error());
}

#[tokio::test]
async fn a_blob_may_be_empty_and_a_session_cancelled() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let empty = digest(b"");
    let session = open(&alice, "").await;
    let nothing = patch(&alice, &session, None, b"").await;
    assert_eq!((nothing.status(), header(&nothing, "range")), (StatusCode::ACCEPTED, "0-0".to_owned()));
    created(&commit(&alice, &session, &empty, b"").await, &empty);
    expect_blob(&alice, &empty, b"").await;
    let head = alice.head(&format!("/v2/alice/app/blobs/{empty}")).await;
    assert_eq!(header(&head, "content-length"), "0");

    let session = open(&alice, "").await;
    patch(&alice, &session, None, b"never mind").await;
    assert_eq!(alice.delete(&session).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(alice.get(&session).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(alice.delete(&session).await.status(), StatusCode::NOT_FOUND);
    let late = commit(&alice, &session, &digest(b"never mind"), b"").await;
    assert_eq!(late.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_blob_is_mounted_where_it_may_be_pulled_and_else_is_absent() {
    let (server, admin, alice, _) = Server::start_with_people().await;
    let mine = push_blob(&alice, "alice/base", b"a layer of mine").await;
    let foreign = push_blob(&admin, "secret/base", b"a layer of someone else").await;
    open(&alice, "").await;
    let mount = async |query: String| alice.post(&format!("{UPLOADS}?{query}")).await;
    created(&mount(format!("mount={mine}&from=alice/base&origin=x")).await, &mine);
    expect_blob(&alice, &mine, b"a layer of mine").await;
    let again = push_blob(&alice, "alice/base", b"another of mine").await;
    let token = alice.token(&["repository:alice/app:pull,push", "repository:alice/base:pull"]).await.expect("a token");
    let anywhere = alice.with_token(Method::POST, &format!("{UPLOADS}?mount={again}"), &token);
    created(&anywhere.send().await.expect("an answer"), &again);

    let absent = digest(b"no one has this");
    for query in [
        format!("mount={foreign}&from=secret/base"),
        format!("mount={foreign}"),
        format!("mount={absent}&from=secret/base"),
        format!("mount={absent}&from=alice/base"),
        format!("mount={absent}&from=no/such"),
        format!("mount={absent}&from=NOT%20A%20NAME"),
        format!("mount={absent}"),
    ] {
        let response = mount(query.clone()).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{query}");
        assert!(header(&response, "location").starts_with(UPLOADS), "a session instead: {query}");
        assert_eq!(response.text().await.expect("text"), "", "{query}");
    }
    assert_eq!(alice.head(&format!("/v2/alice/app/blobs/{foreign}")).await.status(), StatusCode::NOT_FOUND);
    server.run(&["grant", "add", "--to", "user:alice", "--on", "secret/*", "--allow", "pull"]);
    crate::support::eventually("the grant", async || {
        mount(format!("mount={foreign}&from=secret/base")).await.status() == StatusCode::CREATED
    })
    .await;
}

#[tokio::test]
async fn a_mount_whose_token_lacks_the_source_is_told_both_scopes() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let mine = push_blob(&alice, "alice/base", b"a layer").await;
    let token = alice.token(&["repository:alice/app:pull,push"]).await.expect("a token");
    let path = format!("{UPLOADS}?mount={mine}&from=alice/base");
    let refused = alice.with_token(Method::POST, &path, &token).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = header(&refused, "www-authenticate");
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    assert!(challenge.contains("repository:alice/app:pull,push"), "{challenge}");
    assert!(challenge.contains("repository:alice/base:pull"), "{challenge}");
}

#[tokio::test]
async fn the_first_challenge_to_a_mount_names_both_scopes() {
    let (_server, _, _, anonymous) = Server::start_with_people().await;
    let path = format!("{UPLOADS}?mount={}&from=alice/base", digest(b"a layer"));
    let refused = anonymous.bare(Method::POST, &path).send().await.expect("an answer");
    let challenge = header(&refused, "www-authenticate");
    assert!(challenge.contains("scope=\"repository:alice/app:pull,push repository:alice/base:pull\""), "{challenge}");
}

#[tokio::test]
async fn names_may_be_as_long_as_the_specification_says() {
    let (server, admin, ..) = Server::start_with_people().await;
    // Host, slash and name together have at most 255 characters.
    let name = format!("a{}", "/bcdefgh".repeat(26));
    assert!(name.len() + server.host().len() < 255);
    push_blob(&admin, &name, b"far down").await;
    let (long, longer) = ("n".repeat(255), "n".repeat(256));
    let refused = admin.post(&format!("/v2/{longer}/blobs/uploads/")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let accepted = admin.post(&format!("/v2/{long}/blobs/uploads/")).await.status();
    assert!(accepted == StatusCode::ACCEPTED || accepted == StatusCode::BAD_REQUEST, "{accepted}");
}

#[tokio::test]
async fn compressed_bodies_are_refused_and_continue_is_answered() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let session = open(&alice, "").await;
    for encoding in ["gzip", "br", "identity, gzip"] {
        let request = alice.bare(Method::PATCH, &session).header("content-encoding", encoding).body("x");
        assert_eq!(alice.send(request).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
    }
    let token = alice.token(&["repository:alice/app:pull,push"]).await.expect("a token");
    let head = |length: usize, token: &str| {
        format!(
            "PATCH {session} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n",
            server.host()
        )
    };
    let mut raw = Raw::connect(&server).await;
    assert_eq!(raw.ask(&head(5, &token)).await.status, 100, "told to continue before a byte was sent");
    assert_eq!(raw.ask("hello").await.status, 202);
    let mut raw = Raw::connect(&server).await;
    assert_eq!(raw.ask(&head(5, "nonsense")).await.status, 401, "refused before a byte was sent");
}

#[tokio::test]
async fn a_large_upload_over_http2_arrives() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let content = vec![7; 64 * 1024 * 1024];
    let expected = digest(&content);
    let session = open(&alice, "").await;
    let response = commit(&alice, &session, &expected, &content).await;
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    created(&response, &expected);
    let head = alice.head(&format!("/v2/alice/app/blobs/{expected}")).await;
    assert_eq!(header(&head, "content-length"), content.len().to_string());
}
