//! The contract of immutable tags: rules, and what they refuse to a change that is subject to them.

use std::time::Duration;

use portcullis::domain::{ImmutableRule, ImmutableRules, TagPattern, TimeSpan};
use portcullis::storage::StorageError;
use portcullis::storage::metadata::{Change, NewManifest, PutOutcome};

use super::content::{LEASE, blob, change, deletion, link, manifest, name, put, sha256, tag, tag_target};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    rules_are_numbered_listed_and_removed,
    an_immutable_tag_is_neither_moved_nor_deleted,
    a_tag_can_be_corrected_for_a_while,
}

fn rule(tags: &str) -> ImmutableRule {
    let (on, tags) = ("**".parse().expect("a glob"), tags.parse::<TagPattern>().expect("a pattern"));
    ImmutableRule { id: 0, on, tags, mutable: false, after: None, expires: false }
}

fn under(rule: ImmutableRule, change: Change) -> Change {
    Change { protection: ImmutableRules::new(vec![rule]).of(&name("app")), ..change }
}

/// The refused tag.
fn refused<T: std::fmt::Debug>(outcome: Result<T, StorageError>) -> String {
    match outcome {
        Err(StorageError::Immutable(refused)) => refused.tag.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn rules_are_numbered_listed_and_removed(store: &MetadataSubject) {
    let version = store.policy_version().await.expect("read");
    let exception = ImmutableRule { mutable: true, ..rule("*-rc*") };
    let late = ImmutableRule { after: Some(TimeSpan::of_seconds(60)), expires: true, ..rule("v*") };
    let first = store.add_immutable_rule(late.clone(), "operator:root").await.expect("added");
    let second = store.add_immutable_rule(exception.clone(), "operator:eve").await.expect("added");
    assert!(second > first && store.policy_version().await.expect("read") > version, "servers read them again");
    let records = store.immutable_rules().await.expect("read");
    let rules: Vec<_> = records.iter().map(|record| record.rule.clone()).collect();
    assert_eq!(rules, [ImmutableRule { id: first, ..late }, ImmutableRule { id: second, ..exception }]);
    assert_eq!((records[1].created_at, records[1].created_by.as_str()), (BEGIN, "operator:eve"));
    assert!(store.remove_immutable_rule(first).await.expect("removed"));
    assert!(!store.remove_immutable_rule(first).await.expect("answered"));
    let third = store.add_immutable_rule(rule("x"), "operator:root").await.expect("added");
    assert!(third > second, "numbers never come back");
}

async fn an_immutable_tag_is_neither_moved_nor_deleted(store: &MetadataSubject) {
    let app = name("app");
    let layer = blob(7, 10);
    link(&**store, "app", &layer).await;
    put(&**store, "app", NewManifest { blobs: vec![layer.digest.clone()], ..manifest("child", &[]) }).await;
    let mut index = manifest("index", &["v1", "latest"]);
    index.children = vec![sha256(b"child")];
    put(&**store, "app", index.clone()).await;
    let delete = under(rule("v*"), deletion(Duration::from_hours(1)));
    let push = under(rule("v*"), change());

    let moved = store.put_manifest(&app, manifest("other", &["v1"]), LEASE, &push).await;
    assert_eq!(refused(moved), "v1");
    assert_eq!(store.manifest(&app, &sha256(b"other")).await.expect("read"), None, "nothing is stored of it");
    assert_eq!(refused(store.delete_tag(&app, &tag("v1"), &delete).await), "v1");
    for digest in [sha256(b"index"), sha256(b"child")] {
        assert_eq!(refused(store.delete_manifest(&app, &digest, &delete).await), "v1", "{digest}");
    }
    assert_eq!(refused(store.unlink_blob(&app, &layer.digest, &delete.protection).await), "v1");
    assert_eq!(tag_target(&**store, "app", "v1").await, Some(sha256(b"index")));

    // The same again, a new tag, and one that the rule is not about.
    for new in [index, manifest("other", &["v2", "latest"])] {
        let put = store.put_manifest(&app, new, LEASE, &push).await.expect("put");
        assert_eq!(put, PutOutcome::Stored);
    }
    assert!(store.delete_tag(&app, &tag("latest"), &delete).await.expect("deleted"));
    assert!(store.delete_tag(&app, &tag("v1"), &deletion(Duration::ZERO)).await.expect("the operator may"));
}

async fn a_tag_can_be_corrected_for_a_while(store: &MetadataSubject) {
    let app = name("app");
    let late = ImmutableRule { after: Some(TimeSpan::of_seconds(60)), ..rule("*") };
    let (push, delete) = (under(late.clone(), change()), under(late, deletion(Duration::ZERO)));
    put(&**store, "app", manifest("one", &["v1"])).await;
    store.clock.advance(Duration::from_secs(59));
    store.put_manifest(&app, manifest("two", &["v1"]), LEASE, &push).await.expect("corrected");
    store.clock.advance(Duration::from_secs(60));
    assert_eq!(refused(store.put_manifest(&app, manifest("three", &["v1"]), LEASE, &push).await), "v1");
    assert_eq!(refused(store.delete_tag(&app, &tag("v1"), &delete).await), "v1");
    assert_eq!(refused(store.delete_manifest(&app, &sha256(b"two"), &delete).await), "v1");
}
