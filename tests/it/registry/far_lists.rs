//! Lists that clients make long and heavy: each page ends by number and by bytes, and none costs more than it shows.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::image::{MANIFEST_TYPE, digest, push_blob};
use crate::support::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use crate::support::{Actor, Server, header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Every page of a list from `path` on: how long each is in bytes, and what is in it.
async fn pages(who: &Actor, path: &str, key: &str) -> (Vec<usize>, Vec<Value>, Vec<String>) {
    let (mut next, mut sizes, mut entries, mut links) = (Some(path.to_owned()), Vec::new(), Vec::new(), Vec::new());
    while let Some(path) = next {
        let response = who.get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let link = header(&response, "link");
        next = link.strip_prefix('<').and_then(|link| link.split_once('>')).map(|(path, _)| path.to_owned());
        links.push(link);
        let body = response.bytes().await.expect("a body");
        sizes.push(body.len());
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        entries.extend(body[key].as_array().expect("a list").iter().cloned());
        assert!(sizes.len() < 100, "an end");
    }
    (sizes, entries, links)
}

#[tokio::test]
async fn referrers_with_large_annotations_come_in_pages_of_a_mebibyte() {
    let server = Server::start().await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let config = push_blob(&admin, "app", b"{}").await;
    let subject = digest(b"the subject");
    let mut pushed = BTreeSet::new();
    for number in 0..12 {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": "application/x",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}, "layers": [],
            "subject": {"mediaType": MANIFEST_TYPE, "digest": subject, "size": 1},
            "annotations": {"number": number.to_string(), "text": "\u{e9}".repeat(200_000)},
        })
        .to_string();
        let own = digest(manifest.as_bytes());
        let response = admin.put(&format!("/v2/app/manifests/{own}"), MANIFEST_TYPE, manifest).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        pushed.insert(own);
    }
    for query in ["", "?artifactType=Application/X", "?n=1000"] {
        let (sizes, entries, _) = pages(&admin, &format!("/v2/app/referrers/{subject}{query}"), "manifests").await;
        assert!(sizes.len() >= 6 && sizes.iter().all(|size| *size <= 1_200_000), "{sizes:?}");
        let found: Vec<&str> = entries.iter().filter_map(|entry| entry["digest"].as_str()).collect();
        assert_eq!(found, pushed.iter().map(String::as_str).collect::<Vec<_>>(), "each once, in order");
        assert_eq!(entries[0]["annotations"]["text"].as_str().map(|text| text.chars().count()), Some(200_000));
    }
}

#[tokio::test]
async fn a_fallback_tag_of_twenty_thousand_entries_is_read_in_one_look() {
    let server = Server::start_with("[limits]\nmanifest_descriptors = 50000\nsparse_indexes = [\"**\"]\n").await;
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let subject = digest(b"the subject");
    let entries: Vec<Value> = (0..20_000_u32)
        .map(|number| json!({"mediaType": "a/b", "digest": digest(&number.to_le_bytes()), "size": 1, "artifactType": "t/x"}))
        .collect();
    let mut first: Vec<String> =
        entries.iter().take(10_000).filter_map(|entry| entry["digest"].as_str().map(str::to_owned)).collect();
    first.sort();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    let tag = subject.replace(':', "-");
    let pushed = admin.put(&format!("/v2/app/manifests/{tag}"), INDEX, index).await;
    assert_eq!(pushed.status(), StatusCode::CREATED, "{}", pushed.text().await.expect("text"));
    let before = server.processor_time();
    let (sizes, entries, _) = pages(&admin, &format!("/v2/app/referrers/{subject}"), "manifests").await;
    let found: Vec<String> = entries.iter().filter_map(|entry| entry["digest"].as_str().map(str::to_owned)).collect();
    assert_eq!(found, first, "the first ten thousand of the index, each once, in order");
    assert!(sizes.len() >= 10 && sizes.iter().all(|size| *size <= 1_200_000), "{sizes:?}");
    let (_, none, _) = pages(&admin, &format!("/v2/app/referrers/{subject}?artifactType=t/y"), "manifests").await;
    assert!(none.is_empty());
    // Minutes, if each entry was a question to the database.
    let worked = server.processor_time().checked_sub(before).expect("it only grows");
    assert!(worked < Duration::from_mins(1), "{worked:?}");
}

/// 50,000 repositories that alice may not pull, between two that she may.
async fn fill(server: &Server) {
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50000)
             INSERT INTO repositories (name, created_at) SELECT 'team/' || n || '/secret', 0 FROM n;
         INSERT INTO repositories (name, created_at) VALUES ('team/0/open', 0), ('team/z/open', 0), ('other/secret', 0)";
    server.database().execute(fill).await;
}

#[tokio::test]
async fn what_is_between_the_names_of_a_caller_is_passed_in_bounded_steps_and_never_told() {
    let mut server = Server::start().await;
    server.add_user("alice", ALICE_PASSWORD);
    server.run(&["grant", "add", "--to", "user:alice", "--on", "team/*/open", "--allow", "pull"]);
    server.stop().await;
    fill(&server).await;
    server.spawn().await;
    let alice = server.actor("alice", ALICE_PASSWORD);
    let (_, names, links) = pages(&alice, "/v2/_catalog?n=100", "repositories").await;
    assert_eq!(names, ["team/0/open", "team/z/open"]);
    assert!((3..=4).contains(&links.len()), "20,000 names a page: {links:?}");
    assert!(links.iter().all(|link| !link.contains("secret") && !link.contains("team")), "{links:?}");
    assert!(links[0].contains("n=100"), "{links:?}");
    let stale = alice.get("/v2/_catalog?last=~AAAA").await;
    assert_eq!(stale.status(), StatusCode::BAD_REQUEST);
    assert!(stale.text().await.expect("text").contains("start again"));
    let admin = server.actor("admin", ADMIN_PASSWORD);
    let last = admin.get("/v2/_catalog?n=2&last=team/9").await;
    assert!(header(&last, "link").contains("last=team%2F9"), "to an administrator, names are names");
}
