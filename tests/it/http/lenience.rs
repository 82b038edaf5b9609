//! Manifests as real programs write them, and those that two programs would read differently.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::server::ALICE_PASSWORD;
use crate::support::{Actor, Server, header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(content), "size": content.len()})
}

/// The status and the text of the answer.
async fn put(who: &Actor, tag: &str, kind: &str, manifest: &str) -> (StatusCode, String) {
    let response = who.put(&format!("/v2/alice/app/manifests/{tag}"), kind, manifest).await;
    (response.status(), response.text().await.expect("text"))
}

#[tokio::test]
async fn what_go_and_old_sigstore_write_is_taken() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    push_blob(&alice, "alice/app", b"{}").await;
    let config = descriptor(CONFIG, b"{}");
    let bundle = descriptor("application/vnd.dev.sigstore.bundle+json;version=0.2", b"{}");
    let mut nulls = config.clone();
    for key in ["urls", "annotations", "platform", "data", "artifactType"] {
        nulls[key] = Value::Null;
    }
    let taken = [
        ("nothing", INDEX, json!({"schemaVersion": 2, "manifests": null, "annotations": null, "subject": null})),
        ("nulls", MANIFEST_TYPE, json!({"schemaVersion": 2, "config": nulls, "layers": null, "manifests": null})),
        ("bundle", MANIFEST_TYPE, json!({"schemaVersion": 2, "config": config, "layers": [bundle]})),
        ("bundles", INDEX, json!({"schemaVersion": 2, "manifests": [bundle]})),
        (
            "cases",
            "Application/VND.oci.Image.Index.v1+JSON",
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
        ),
    ];
    for (tag, kind, manifest) in taken {
        let (status, text) = put(&alice, tag, kind, &manifest.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{tag}: {text}");
    }
    let cases = alice.get("/v2/alice/app/manifests/cases").await;
    assert_eq!(header(&cases, "content-type"), INDEX, "as the manifest itself says");
    let numbers =
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"new":[1e400,{{"x":-9{}}}]}}"#, "9".repeat(400));
    let (status, text) = put(&alice, "numbers", MANIFEST_TYPE, &numbers).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    assert_eq!(alice.get("/v2/alice/app/manifests/numbers").await.text().await.expect("text"), numbers);
}

#[tokio::test]
async fn what_two_readers_would_read_differently_is_refused() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    push_blob(&alice, "alice/app", b"{}").await;
    let good = json!({"schemaVersion": 2, "config": descriptor(CONFIG, b"{}"), "layers": []}).to_string();
    assert_eq!(put(&alice, "good", MANIFEST_TYPE, &good).await.0, StatusCode::CREATED);
    for (known, other) in [
        ("\"layers\"", "\"Layers\":[],\"layers\""),
        ("\"layers\"", "\"layer\\u017f\":[],\"layers\""),
        ("\"layers\"", "\"LAYERS\""),
        ("\"digest\"", "\"Digest\":\"x\",\"digest\""),
        ("\"size\"", "\"ſize\":1,\"size\""),
    ] {
        let (status, text) = put(&alice, "bad", MANIFEST_TYPE, &good.replacen(known, other, 1)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{other}");
        assert!(text.contains("MANIFEST_INVALID") && text.contains("must be written"), "{text}");
    }
    let parameters = good.replacen('{', &format!("{{\"mediaType\":\"{MANIFEST_TYPE};version=1\","), 1);
    assert_eq!(
        put(&alice, "bad", MANIFEST_TYPE, &parameters).await.0,
        StatusCode::BAD_REQUEST,
        "its own type is strict"
    );
}

#[tokio::test]
async fn a_manifest_lists_no_more_than_the_operator_says() {
    let server = Server::start_with("[limits]\nmanifest_descriptors = 100\n").await;
    server.add_user("alice", ALICE_PASSWORD);
    let alice = server.actor("alice", ALICE_PASSWORD);
    push_blob(&alice, "alice/app", b"{}").await;
    let of = |layers: usize| {
        let layer = descriptor("application/x", b"{}");
        json!({"schemaVersion": 2, "config": descriptor(CONFIG, b"{}"), "layers": vec![layer; layers]}).to_string()
    };
    let (status, text) = put(&alice, "full", MANIFEST_TYPE, &of(99)).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let (status, text) = put(&alice, "over", MANIFEST_TYPE, &of(100)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        text.contains("limits.manifest_descriptors") && text.contains("101") && text.contains("100 at most"),
        "{text}"
    );
}

#[tokio::test]
async fn an_index_without_its_images_is_taken_where_the_operator_says_so() {
    let server = Server::start_with("[limits]\nsparse_indexes = [\"mirror/**\"]\n").await;
    let admin = server.actor("admin", crate::support::server::ADMIN_PASSWORD);
    let image = crate::support::Image::of("late");
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST_TYPE, "digest": image.digest(), "size": image.manifest.len()},
        descriptor(MANIFEST_TYPE, b"another platform"),
    ]})
    .to_string();
    let push = async |repository: &str| {
        admin.put(&format!("/v2/{repository}/manifests/v1"), INDEX, index.clone()).await.status()
    };
    assert_eq!(push("app").await, StatusCode::BAD_REQUEST);
    assert_eq!(push("mirrors/app").await, StatusCode::BAD_REQUEST);
    assert_eq!(push("mirror/app").await, StatusCode::CREATED);
    assert_eq!(admin.get("/v2/mirror/app/manifests/v1").await.text().await.expect("text"), index);
    let child = format!("/v2/mirror/app/manifests/{}", image.digest());
    assert_eq!(admin.get(&child).await.status(), StatusCode::NOT_FOUND);
    image.push(&admin, "mirror/app", "linux").await;
    assert_eq!(admin.get(&child).await.status(), StatusCode::OK);
    let whole = format!("/v2/mirror/app/manifests/{}", digest(index.as_bytes()));
    assert_eq!(admin.delete(&whole).await.status(), StatusCode::ACCEPTED);
    assert_eq!(admin.get(&child).await.status(), StatusCode::OK, "deleting the index leaves what it lists");
    let config = descriptor(CONFIG, b"absent");
    let image = json!({"schemaVersion": 2, "config": config, "layers": []}).to_string();
    let refused = admin.put("/v2/mirror/app/manifests/image", MANIFEST_TYPE, image).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "an image needs its blobs everywhere");
}
