//! Big and odd: many children, many tags.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::image::MANIFEST_TYPE;
use crate::support::{Image, Server, header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[tokio::test]
async fn an_index_may_have_five_hundred_children() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("shared");
    image.push(&alice, "alice/app", "base").await;
    let mut children = Vec::new();
    for n in 0..500 {
        let mut manifest: Value = serde_json::from_slice(&image.manifest).expect("JSON");
        manifest["annotations"] = json!({ "n": n.to_string() });
        let bytes = manifest.to_string();
        let digest = crate::support::image::digest(bytes.as_bytes());
        let put = alice.put(&format!("/v2/alice/app/manifests/{digest}"), MANIFEST_TYPE, bytes.clone()).await;
        assert_eq!(put.status(), StatusCode::CREATED);
        children.push(json!({"mediaType": MANIFEST_TYPE, "digest": digest, "size": bytes.len()}));
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).to_string();
    let put = alice.put("/v2/alice/app/manifests/many", INDEX, index.clone()).await;
    assert_eq!(put.status(), StatusCode::CREATED, "{}", put.text().await.unwrap_or_default());
    let got = alice.get("/v2/alice/app/manifests/many").await;
    assert_eq!(got.text().await.expect("text"), index);
}

#[tokio::test]
async fn a_manifest_may_have_a_thousand_tags() {
    let (_server, _, alice, _) = Server::start_with_people().await;
    let image = Image::of("tagged");
    image.push(&alice, "alice/app", "t0000").await;
    let path = format!("/v2/alice/app/manifests/{}", image.digest());
    for chunk in (0..1000).collect::<Vec<_>>().chunks(25) {
        let tags: Vec<(&str, String)> = chunk.iter().map(|n| ("tag", format!("t{n:04}"))).collect();
        let put = alice.bare(Method::PUT, &path).query(&tags).header("content-type", MANIFEST_TYPE);
        let response = alice.send(put.body(image.manifest.clone())).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers().get_all("oci-tag").iter().count(), chunk.len());
    }
    let mut seen = BTreeSet::new();
    let mut next = Some("/v2/alice/app/tags/list?n=300".to_owned());
    while let Some(path) = next {
        let page = alice.get(&path).await;
        let link = header(&page, "link");
        next = link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path.to_owned());
        let body: Value = page.json().await.expect("JSON");
        seen.extend(body["tags"].as_array().expect("a list").iter().map(ToString::to_string));
    }
    assert_eq!(seen.len(), 1000);
    let deleted = alice.delete(&path).await;
    assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    let left: Value = alice.get("/v2/alice/app/tags/list").await.json().await.expect("JSON");
    assert_eq!(left["tags"], json!([]), "a manifest takes its tags with it");
}
