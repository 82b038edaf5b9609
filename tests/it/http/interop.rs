//! What broke clients of other registries, and must not break ours. Each test is named after what it protects.
//!
//! Told elsewhere: uploads over HTTP/2, `Expect`, mounts that are not allowed ([`crate::registry::uploads`]); the caches of `BuildKit`
//! ([`crate::registry::manifests`]); repeated scopes ([`crate::auth::login`]); tokens that expire during a push ([`crate::auth::rights`]).

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Image, Raw, Server, header};

#[tokio::test]
async fn docker_computes_layer_sizes_from_range_which_is_never_missing_negative_or_off_by_one() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let opened = alice.post("/v2/alice/app/blobs/uploads/").await;
    assert_eq!(header(&opened, "range"), "0-0");
    let session = header(&opened, "location");
    assert_eq!(header(&alice.get(&session).await, "range"), "0-0");
    let empty = alice.send(alice.bare(Method::PATCH, &session).body("")).await;
    assert_eq!(header(&empty, "range"), "0-0");
    let mut length = 0;
    for chunk in [1, 2, 1000] {
        length += chunk;
        let patched = alice.send(alice.bare(Method::PATCH, &session).body(vec![0; chunk])).await;
        assert_eq!(header(&patched, "range"), format!("0-{}", length - 1));
    }
}

#[tokio::test]
async fn containerd_needs_a_length_on_head_and_docker_a_digest_on_push() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("a");
    push_blob(&alice, "alice/app", &image.config).await;
    push_blob(&alice, "alice/app", &image.layer).await;
    let pushed = alice.put("/v2/alice/app/manifests/v1", MANIFEST_TYPE, image.manifest.clone()).await;
    assert_eq!(header(&pushed, "docker-content-digest"), image.digest());
    let token = alice.token(&["repository:alice/app:pull"]).await.expect("a token");
    let mut raw = Raw::connect(&server).await;
    let head = format!("HEAD /v2/alice/app/manifests/v1 HTTP/1.1\r\nHost: {}\r\n", server.host());
    raw.send(format!("{head}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n")).await;
    let answer = String::from_utf8(raw.read_to_end().await).expect("text").to_ascii_lowercase();
    assert!(answer.contains(&format!("content-length: {}\r\n", image.manifest.len())), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
}

#[tokio::test]
async fn locations_are_paths_and_the_realm_follows_only_a_trusted_proxy() {
    let mut server = Server::start().await;
    let forwarded = "X-Forwarded-Host: hub.test:8443\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n";
    let ask = async |server: &Server| {
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: {}\r\n{forwarded}\r\n", server.host());
        Raw::connect(server).await.ask(&request).await.header("www-authenticate").to_owned()
    };
    let untrusted = ask(&server).await;
    assert!(untrusted.contains(&format!("realm=\"https://{}/auth/token\"", server.host())), "{untrusted}");
    server.stop().await;
    server.configure("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    server.spawn().await;
    let trusted = ask(&server).await;
    assert!(trusted.contains("realm=\"https://hub.test:8443/auth/token\""), "{trusted}");
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let post = admin.bare(Method::POST, "/v2/app/blobs/uploads/").header("x-forwarded-proto", "http");
    let opened = admin.send(post).await;
    assert!(header(&opened, "location").starts_with("/v2/app/blobs/uploads/"), "whatever a proxy says");
}

#[tokio::test]
async fn manifests_are_served_as_they_came_and_never_encoded_whatever_is_accepted() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let config = push_blob(&alice, "alice/app", b"{}").await;
    let odd = format!(
        "\n{{ \"layers\" : [],\r\n\t\"schemaVersion\":2.0e0 ,\"config\":{{\"size\":2,\"digest\":\"{config}\",\
         \"mediaType\":\"application/vnd.oci.image.config.v1+json\"}}, \"\\u00e4\": \"<&>\" }} \n"
    );
    let odd = odd.replace("2.0e0", "2");
    let pushed = alice.put("/v2/alice/app/manifests/odd", MANIFEST_TYPE, odd.clone()).await;
    assert_eq!(pushed.status(), StatusCode::CREATED, "{}", pushed.text().await.expect("text"));
    let large = vec![b'a'; 100_000];
    let blob = push_blob(&alice, "alice/app", &large).await;
    for who in [&alice, &server.alice_over_http1()] {
        for (path, content) in
            [("manifests/odd".to_owned(), odd.as_bytes()), (format!("blobs/{blob}"), large.as_slice())]
        {
            for accept in ["application/json", "text/html", MANIFEST_TYPE] {
                let request = who.bare(Method::GET, &format!("/v2/alice/app/{path}?ns=docker.io"));
                let request = request.header("accept", accept).header("accept-encoding", "gzip, br, zstd, deflate");
                let response = who.send(request).await;
                assert_eq!(response.status(), StatusCode::OK);
                assert_eq!(header(&response, "content-encoding"), "");
                assert_eq!(response.bytes().await.expect("a body"), content);
            }
        }
    }
}

#[tokio::test]
async fn the_closing_put_does_not_read_the_blob_again() {
    let (server, _, alice, _) = Server::start_with_people().await;
    let content = vec![5; 48 * 1024 * 1024];
    let expected = digest(&content);
    let session = header(&alice.post("/v2/alice/app/blobs/uploads/").await, "location");
    let patched = alice.send(alice.bare(Method::PATCH, &session).body(content)).await;
    assert_eq!(patched.status(), StatusCode::ACCEPTED);
    let before = server.bytes_read();
    let put = alice.send(alice.bare(Method::PUT, &session).query(&[("digest", &expected)])).await;
    assert_eq!(put.status(), StatusCode::CREATED);
    let read = server.bytes_read() - before;
    assert!(read < 16 * 1024 * 1024, "{read} bytes");
}

#[tokio::test]
async fn containerd_posts_its_credentials_in_chunks() {
    let server = Server::start().await;
    server.add_user("alice", ALICE_PASSWORD);
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "password"), ("username", "alice"), ("password", ALICE_PASSWORD)])
        .extend_pairs([("scope", "repository:alice/app:pull"), ("client_id", "containerd-client")])
        .finish();
    let (first, second) = form.split_at(20);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let answer = Raw::connect(&server)
        .await
        .ask(&format!(
            "POST /auth/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\
             Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
            server.host(),
            chunk(first),
            chunk(second)
        ))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["scope"], "repository:alice/app:pull");
}

#[tokio::test]
async fn a_digest_may_be_encoded_in_a_path_and_the_slash_after_uploads_left_out() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let blob = push_blob(&alice, "alice/app", b"a blob").await;
    for colon in ["%3A", "%3a"] {
        let path = format!("/v2/alice/app/blobs/{}", blob.replace(':', colon));
        assert_eq!(alice.get(&path).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(alice.post("/v2/alice/app/blobs/uploads").await.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_race_for_a_tag_one_wins_and_of_chunks_that_race_none_is_torn() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let alice = std::sync::Arc::new(alice);
    let images: Vec<Image> = (0..8).map(|number| Image::of(&format!("racer {number}"))).collect();
    for image in &images {
        image.push(&alice, "alice/app", "before").await;
    }
    let race = images.iter().map(|image| {
        let request = alice.bare(Method::PUT, "/v2/alice/app/manifests/new").header("content-type", MANIFEST_TYPE);
        alice.send(request.header("if-none-match", "*").body(image.manifest.clone()))
    });
    let answers: Vec<StatusCode> =
        futures_util::future::join_all(race).await.iter().map(reqwest::Response::status).collect();
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::CREATED).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::PRECONDITION_FAILED).count(), 7, "{answers:?}");

    let session = header(&alice.post("/v2/alice/app/blobs/uploads/").await, "location");
    let chunk = vec![1; 100_000];
    let race = (0..6).map(|_| {
        let request = alice.bare(Method::PATCH, &session).header("content-range", "0-99999").body(chunk.clone());
        alice.send(request)
    });
    let answers: Vec<StatusCode> =
        futures_util::future::join_all(race).await.iter().map(reqwest::Response::status).collect();
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::ACCEPTED).count(), 1, "{answers:?}");
    assert_eq!(header(&alice.get(&session).await, "range"), "0-99999");
    let put = alice.bare(Method::PUT, &session).query(&[("digest", digest(&chunk))]);
    assert_eq!(alice.send(put).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn the_operators_notice_comes_with_every_answer() {
    let server = Server::start_with("[server]\nnotice = \"read-only on Sunday\"\n").await;
    let anonymous = server.anonymous();
    for path in ["/v2/", "/v2/absent/tags/list", "/nowhere"] {
        let answer = anonymous.bare(Method::GET, path).send().await.expect("an answer");
        assert_eq!(header(&answer, "warning"), "299 - \"read-only on Sunday\"", "{path}");
    }
}
