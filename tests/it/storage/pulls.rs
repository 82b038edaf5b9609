//! The contract of last pulls: the latest counts, by tag and by manifest, and what is gone takes its own along.

use portcullis::storage::metadata::{LastPull, Metadata, PullRecord};

use super::content::{at_once, manifest, name, put, sha256, tag};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    the_latest_pull_counts_and_one_of_the_manifest_counts_for_its_tags,
    pulls_of_what_is_gone_are_forgotten,
    recording_begins_once,
}

fn pull(content: &str, by_tag: Option<&str>, at: i64, by: &str) -> PullRecord {
    let digest = sha256(content.as_bytes());
    PullRecord { repository: name("app"), digest, tag: by_tag.map(tag), at, by: by.to_owned() }
}

/// Tag, time and person of the last pulls.
async fn last(store: &dyn Metadata, tags: &[&str]) -> Vec<(String, i64, String)> {
    let tags: Vec<_> = tags.iter().map(|text| tag(text)).collect();
    let mut found = store.last_pulls(&name("app"), &tags).await.expect("read");
    found.sort_by(|one, other| one.tag.cmp(&other.tag));
    found.into_iter().map(|LastPull { tag, at, by }| (tag.to_string(), at, by)).collect()
}

async fn the_latest_pull_counts_and_one_of_the_manifest_counts_for_its_tags(store: &MetadataSubject) {
    put(&**store, "app", manifest("one", &["v1", "latest"])).await;
    put(&**store, "app", manifest("two", &["v2"])).await;
    assert_eq!(last(&**store, &["v1", "v2", "latest"]).await, []);
    let pulls = [
        pull("one", Some("v1"), BEGIN + 5, "user:alice"),
        pull("one", Some("v1"), BEGIN + 3, "user:early"),
        pull("one", Some("latest"), BEGIN + 4, "user:bob"),
        pull("absent", Some("absent"), BEGIN + 9, "user:alice"),
        PullRecord { repository: name("absent"), ..pull("one", None, BEGIN + 9, "user:alice") },
    ];
    store.record_pulls(pulls.to_vec()).await.expect("recorded");
    let alice = |tag: &str| (tag.to_owned(), BEGIN + 5, "user:alice".to_owned());
    assert_eq!(last(&**store, &["v1", "v2", "latest", "absent"]).await, [alice("latest"), alice("v1")]);

    store.record_pulls(vec![pull("one", Some("v1"), BEGIN + 1, "user:late")]).await.expect("recorded");
    store.record_pulls(vec![pull("two", None, BEGIN + 7, "anonymous")]).await.expect("recorded");
    let found = last(&**store, &["v1", "v2"]).await;
    assert_eq!(found, [alice("v1"), ("v2".to_owned(), BEGIN + 7, "anonymous".to_owned())]);
    store.record_pulls(Vec::new()).await.expect("nothing to record");
}

async fn pulls_of_what_is_gone_are_forgotten(store: &MetadataSubject) {
    put(&**store, "app", manifest("one", &["v1", "latest"])).await;
    store.record_pulls(vec![pull("one", Some("v1"), BEGIN + 5, "user:alice")]).await.expect("recorded");
    assert!(store.delete_tag(&name("app"), &tag("v1"), &at_once()).await.expect("deleted"));
    assert!(store.delete_manifest(&name("app"), &sha256(b"one"), &at_once()).await.expect("deleted"));
    put(&**store, "app", manifest("one", &["v1", "latest"])).await;
    assert_eq!(last(&**store, &["v1", "latest"]).await, []);
}

async fn recording_begins_once(store: &MetadataSubject) {
    assert_eq!(store.pulls_recorded_since().await.expect("read"), None);
    store.set_pull_recording(true).await.expect("set");
    store.clock.advance(std::time::Duration::from_secs(60));
    store.set_pull_recording(true).await.expect("set");
    assert_eq!(store.pulls_recorded_since().await.expect("read"), Some(BEGIN), "it began before");
    store.set_pull_recording(false).await.expect("set");
    assert_eq!(store.pulls_recorded_since().await.expect("read"), None);
    store.set_pull_recording(true).await.expect("set");
    assert_eq!(store.pulls_recorded_since().await.expect("read"), Some(BEGIN + 60));
}
