//! Manifests: every kind that clients push, what is refused, tags, preconditions, deletes.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::{Actor, Image, Server, header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

async fn put(who: &Actor, reference: &str, kind: &str, manifest: &Value) -> Response {
    who.put(&format!("/v2/alice/app/manifests/{reference}"), kind, manifest.to_string()).await
}

async fn get(who: &Actor, reference: &str) -> Response {
    who.get(&format!("/v2/alice/app/manifests/{reference}")).await
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(content), "size": content.len()})
}

async fn codes(response: Response) -> Vec<String> {
    let body: Value = response.json().await.expect("JSON");
    let entries = body["errors"].as_array().expect("a list");
    entries.iter().map(|entry| entry["code"].as_str().expect("text").to_owned()).collect()
}

/// A tag, the media type, and a manifest of that kind. They need the blobs `{}` and `layer`, and each what stands above it.
fn kinds() -> Vec<(&'static str, &'static str, Value)> {
    let config = b"{}";
    let image = |more: Value| {
        let mut manifest = json!({"schemaVersion": 2, "config": descriptor(CONFIG, config), "layers": []});
        manifest.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        manifest
    };
    let index = |kind: &str, children: Value| json!({"schemaVersion": 2, "mediaType": kind, "manifests": children});
    let docker_config = descriptor("application/vnd.docker.container.image.v1+json", config);
    let docker_layer = descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", b"layer");
    let artifact =
        json!({"artifactType": "application/x", "layers": [descriptor("text/plain", b"layer")], "new": {"a": [1]}});
    let mut foreign = descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"not here");
    foreign["urls"] = json!(["https://elsewhere.test/layer"]);
    let plain = image(json!({"mediaType": MANIFEST_TYPE}));
    let child = json!([descriptor(MANIFEST_TYPE, plain.to_string().as_bytes())]);
    let cache = json!([descriptor(LAYER, b"layer"), descriptor("application/vnd.buildkit.cacheconfig.v0", config)]);
    let empty = json!({"schemaVersion": 2, "manifests": []});
    let nested = json!([descriptor(INDEX, empty.to_string().as_bytes())]);
    vec![
        ("image", MANIFEST_TYPE, plain),
        ("docker", DOCKER, image(json!({"mediaType": DOCKER, "config": docker_config, "layers": [docker_layer]}))),
        ("artifact", MANIFEST_TYPE, image(artifact)),
        ("foreign", MANIFEST_TYPE, image(json!({"layers": [foreign]}))),
        ("subject", MANIFEST_TYPE, image(json!({"subject": descriptor(MANIFEST_TYPE, b"missing")}))),
        ("index", INDEX, index(INDEX, child.clone())),
        ("empty", INDEX, empty),
        ("nested", INDEX, index(INDEX, nested)),
        ("list", DOCKER_LIST, index(DOCKER_LIST, child)),
        ("buildkit", INDEX, index(INDEX, cache)),
    ]
}

#[tokio::test]
async fn every_kind_of_manifest_is_kept_byte_for_byte_with_its_type() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    for blob in [&b"{}"[..], b"layer"] {
        push_blob(&alice, "alice/app", blob).await;
    }
    for (tag, kind, manifest) in kinds() {
        let content = manifest.to_string();
        let response = put(&alice, tag, kind, &manifest).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{tag}: {}", response.text().await.expect("text"));
        let expected = digest(content.as_bytes());
        assert_eq!(header(&response, "docker-content-digest"), expected);
        assert_eq!(header(&response, "location"), format!("/v2/alice/app/manifests/{expected}"));
        assert_eq!(response.headers().contains_key("oci-subject"), tag == "subject");
        for reference in [tag, &expected] {
            // Whatever the client says that it accepts.
            let request = alice.bare(Method::GET, &format!("/v2/alice/app/manifests/{reference}"));
            let pulled = alice.send(request.header("accept", "application/json")).await;
            assert_eq!(header(&pulled, "content-type"), kind, "{tag}");
            assert_eq!(header(&pulled, "docker-content-digest"), expected);
            assert_eq!(header(&pulled, "etag"), format!("\"{expected}\""));
            assert_eq!(pulled.text().await.expect("text"), content, "{tag}");
        }
    }
}

#[tokio::test]
async fn what_is_not_a_manifest_is_refused_with_the_reason() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    push_blob(&alice, "alice/app", b"{}").await;
    let config = descriptor(CONFIG, b"{}");
    let good = json!({"schemaVersion": 2, "config": config, "layers": []}).to_string();
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let refused = [
        (schema1, r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[]}"#.to_owned()),
        (MANIFEST_TYPE, String::new()),
        (MANIFEST_TYPE, "not JSON".to_owned()),
        (MANIFEST_TYPE, "[]".to_owned()),
        (MANIFEST_TYPE, "[".repeat(100_000)),
        (MANIFEST_TYPE, good.replace("\"layers\"", "\"layers\":[],\"layers\"")),
        (MANIFEST_TYPE, good.replace("\"layers\"", "\"manifests\":[],\"layers\"")),
        (MANIFEST_TYPE, good.replace("sha256:", "sha256:00")),
        (MANIFEST_TYPE, good.replace("\"schemaVersion\":2", "\"schemaVersion\":1")),
        (MANIFEST_TYPE, good.replace('{', &format!("{{\"mediaType\":\"{INDEX}\","))),
        ("application/json", good.clone()),
        ("text", good.clone()),
    ];
    for (kind, manifest) in refused {
        let response = alice.put("/v2/alice/app/manifests/x", kind, manifest.clone()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{kind} {}", manifest.get(..200).unwrap_or(&manifest));
        assert_eq!(codes(response).await, ["MANIFEST_INVALID"]);
    }
    let wrong = format!("/v2/alice/app/manifests/{}", digest(b"something else"));
    let response = alice.put(&wrong, MANIFEST_TYPE, good).await;
    assert_eq!(
        (response.status(), codes(response).await),
        (StatusCode::BAD_REQUEST, vec!["DIGEST_INVALID".to_owned()])
    );
    assert_eq!(get(&alice, "x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_missing_blob_is_named() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    push_blob(&alice, "alice/app", b"{}").await;
    push_blob(&alice, "alice/other", b"elsewhere").await;
    let layers: Vec<Value> = [&b"one"[..], b"two", b"elsewhere"].iter().map(|blob| descriptor(LAYER, blob)).collect();
    let manifest = json!({"schemaVersion": 2, "config": descriptor(CONFIG, b"{}"), "layers": layers});
    let response = put(&alice, "x", MANIFEST_TYPE, &manifest).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body: Value = response.json().await.expect("JSON");
    let entries = body["errors"].as_array().expect("a list");
    assert_eq!(entries.len(), 3, "{body}");
    for (entry, blob) in entries.iter().zip([&b"one"[..], b"two", b"elsewhere"]) {
        assert_eq!(entry["code"], "MANIFEST_BLOB_UNKNOWN");
        assert!(entries.iter().any(|entry| entry["detail"]["digest"] == digest(blob)), "{body}");
    }
    let index = json!({"schemaVersion": 2, "manifests": [descriptor(MANIFEST_TYPE, b"no such manifest")]});
    assert_eq!(codes(put(&alice, "x", INDEX, &index).await).await, ["MANIFEST_BLOB_UNKNOWN"]);
    assert_eq!(get(&alice, "x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_manifest_may_have_exactly_four_mebibytes() {
    const LIMIT: usize = 4 * 1024 * 1024;
    let (_server, _, alice, _) = Server::start_with_people().await;
    push_blob(&alice, "alice/app", b"{}").await;
    let of_length = |length: usize| {
        let with = |padding: &str| json!({"schemaVersion": 2, "config": descriptor(CONFIG, b"{}"), "layers": [], "annotations": {"a": padding}});
        with(&"x".repeat(length - with("").to_string().len())).to_string()
    };
    let largest = of_length(LIMIT);
    assert_eq!(largest.len(), LIMIT);
    let path = "/v2/alice/app/manifests/large";
    let response = alice.put(path, MANIFEST_TYPE, largest.clone()).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.expect("text"));
    assert_eq!(get(&alice, "large").await.text().await.expect("text"), largest);
    let refused = alice.put(path, MANIFEST_TYPE, of_length(LIMIT + 1)).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_push_by_digest_may_set_many_tags() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("many");
    image.push(&alice, "alice/app", "first").await;
    let query = |count: usize| (0..count).map(|n| format!("tag=t{n}")).collect::<Vec<_>>().join("&");
    let by_digest = |query: &str| format!("/v2/alice/app/manifests/{}?{query}", image.digest());
    let two = alice.put(&by_digest("tag=a&tag=b"), MANIFEST_TYPE, image.manifest.clone()).await;
    assert_eq!(two.status(), StatusCode::CREATED);
    let accepted: Vec<_> = two.headers().get_all("oci-tag").into_iter().collect();
    assert_eq!(accepted, ["a", "b"]);
    let ten = alice.put(&by_digest(&query(10)), MANIFEST_TYPE, image.manifest.clone()).await;
    assert_eq!(ten.headers().get_all("oci-tag").iter().count(), 10);
    for tag in ["first", "a", "b", "t0", "t9"] {
        assert_eq!(header(&get(&alice, tag).await, "docker-content-digest"), image.digest(), "{tag}");
    }
    let many = alice.put(&by_digest(&query(1000)), MANIFEST_TYPE, image.manifest.clone()).await;
    assert_eq!(many.status(), StatusCode::URI_TOO_LONG);
    let wrong = alice.put(&by_digest("tag=good&tag=..%2Fbad"), MANIFEST_TYPE, image.manifest.clone()).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert_eq!(get(&alice, "good").await.status(), StatusCode::NOT_FOUND, "all tags or none");
}

#[tokio::test]
async fn a_tag_moves_only_from_where_the_client_saw_it() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let (one, two) = (Image::of("one"), Image::of("two"));
    one.push(&alice, "alice/app", "v").await;
    two.push(&alice, "alice/app", "other").await;
    let push = async |image: &Image, tag: &str, name: &str, value: &str| {
        let request = alice.bare(Method::PUT, &format!("/v2/alice/app/manifests/{tag}"));
        let request = request.header("content-type", MANIFEST_TYPE).header(name, value).body(image.manifest.clone());
        alice.send(request).await.status()
    };
    let quoted = |image: &Image| format!("\"{}\"", image.digest());
    assert_eq!(push(&two, "v", "if-none-match", "*").await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(push(&two, "v", "if-match", &quoted(&two)).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(header(&get(&alice, "v").await, "docker-content-digest"), one.digest(), "not moved");
    assert_eq!(push(&two, "v", "if-match", &quoted(&one)).await, StatusCode::CREATED);
    assert_eq!(push(&two, "v", "if-match", "*").await, StatusCode::CREATED);
    assert_eq!(push(&two, "absent", "if-match", "*").await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(push(&one, "new", "if-none-match", "*").await, StatusCode::CREATED);
    assert_eq!(header(&get(&alice, "v").await, "docker-content-digest"), two.digest());
    assert!(push(&one, "v", "if-match", "\"nonsense\"").await.is_client_error());

    for (value, status) in [
        (quoted(&two), StatusCode::NOT_MODIFIED),
        (format!("W/{}", quoted(&two)), StatusCode::NOT_MODIFIED),
        (format!("\"x\", {}", quoted(&two)), StatusCode::NOT_MODIFIED),
        (quoted(&one), StatusCode::OK),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let request = alice.bare(method, "/v2/alice/app/manifests/v").header("if-none-match", &value);
            let response = alice.send(request).await;
            assert_eq!(response.status(), status, "{value}");
            assert_eq!(header(&response, "etag"), quoted(&two));
        }
    }
}

#[tokio::test]
async fn deleting_a_tag_leaves_the_manifest_and_deleting_that_takes_its_tags() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("deleted");
    for tag in ["a", "b", "c"] {
        image.push(&alice, "alice/app", tag).await;
    }
    let delete = async |what: &str| alice.delete(&format!("/v2/alice/app/{what}")).await.status();
    assert_eq!(delete("manifests/a").await, StatusCode::ACCEPTED);
    assert_eq!(get(&alice, "a").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(delete("manifests/a").await, StatusCode::NOT_FOUND);
    assert_eq!(get(&alice, "b").await.status(), StatusCode::OK);
    assert_eq!(delete(&format!("manifests/{}", image.digest())).await, StatusCode::ACCEPTED);
    for reference in ["b", "c", &image.digest()] {
        assert_eq!(get(&alice, reference).await.status(), StatusCode::NOT_FOUND, "{reference}");
    }
    assert_eq!(delete(&format!("manifests/{}", image.digest())).await, StatusCode::NOT_FOUND);
    let blob = format!("blobs/{}", digest(&image.layer));
    assert_eq!(delete(&blob).await, StatusCode::ACCEPTED);
    assert_eq!(delete(&blob).await, StatusCode::NOT_FOUND);
    assert_eq!(alice.head(&format!("/v2/alice/app/{blob}")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn deleting_can_be_switched_off_for_everyone() {
    let mut server = Server::start_with("[delete]\nenabled = false\n").await;
    let admin = server.actor("admin", crate::support::server::ADMIN_PASSWORD);
    Image::of("kept").push(&admin, "app", "v1").await;
    let refused = admin.delete("/v2/app/manifests/v1").await;
    assert_eq!(
        (refused.status(), codes(refused).await),
        (StatusCode::METHOD_NOT_ALLOWED, vec!["UNSUPPORTED".to_owned()])
    );
    assert_eq!(admin.get("/v2/app/manifests/v1").await.status(), StatusCode::OK);
    server.stop().await;
}
