//! The contract of retention: rules, a repository as a graph, and the removal of what is not kept, down to the last byte.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis::domain::retention::{Circumstances, RepositoryGraph, RetentionRule, Selection, judge};
use portcullis::domain::{Digest, TagProtection};
use portcullis::storage::metadata::{
    BlobRecord, Held, Metadata, NewManifest, PullRecord, RetentionRun, Retired, StoredGraph,
};

use super::collection::{collect, has};
use super::content::{at_once, blob, change, deletion, link, manifest, name, put, sha256, tag, tag_target};
use super::subject::{BEGIN, MetadataSubject};

metadata_contract! {
    rules_are_numbered_rehearsed_and_removed,
    a_repository_is_read_as_it_is,
    what_was_decided_about_another_state_is_not_removed,
    bytes_are_freed_that_nothing_else_refers_to,
    nothing_kept_loses_a_byte,
}

const DAY: Duration = Duration::from_hours(24);

fn rule(tags: Option<&str>, keep: &str) -> RetentionRule {
    let selects = tags.map_or(Selection::Untagged, |tags| Selection::Tags(tags.parse().expect("a pattern")));
    let (on, keep) = ("team/**".parse().expect("a glob"), keep.parse().expect("clauses"));
    RetentionRule { id: 0, on, selects, keep, is_rehearsed: false }
}

async fn graph(store: &dyn Metadata, repository: &str) -> StoredGraph {
    store.repository_graph(&name(repository)).await.expect("read").expect("exists")
}

async fn rules_are_numbered_rehearsed_and_removed(store: &MetadataSubject) {
    let rules = [rule(Some("v*"), "newest=3:version,signed"), rule(None, "pushed-within=30d")];
    let mut ids = Vec::new();
    for rule in &rules {
        ids.push(store.add_retention_rule(rule.clone(), "operator:root").await.expect("added"));
    }
    store.clock.advance(DAY);
    store.rules_rehearsed(&ids[..1]).await.expect("noted");
    let records = store.retention_rules().await.expect("read");
    let expected = [
        RetentionRule { id: ids[0], is_rehearsed: true, ..rules[0].clone() },
        RetentionRule { id: ids[1], ..rules[1].clone() },
    ];
    assert_eq!(records.iter().map(|record| record.rule.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((records[0].created_at, records[0].created_by.as_str()), (BEGIN, "operator:root"));
    assert!(store.remove_retention_rule(ids[0]).await.expect("removed"));
    assert!(!store.remove_retention_rule(ids[0]).await.expect("answered"));

    assert_eq!(store.last_retention_run().await.expect("read"), None);
    for removed in [7, 8] {
        let run = RetentionRun { ran_at: BEGIN, ran_by: "registry".to_owned(), examined: 100, removed, waiting: 0 };
        store.save_retention_run(run.clone()).await.expect("saved");
        assert_eq!(store.last_retention_run().await.expect("read"), Some(run));
    }
}

async fn a_repository_is_read_as_it_is(store: &MetadataSubject) {
    assert_eq!(store.repository_graph(&name("absent")).await.expect("read"), None);
    put(&**store, "team/app", manifest("child", &[])).await;
    let index = NewManifest { children: vec![sha256(b"child")], ..manifest("index", &["v1", "v2"]) };
    put(&**store, "team/app", index.clone()).await;
    let signature = NewManifest {
        subject: Some(sha256(b"index")),
        artifact_type: Some("application/vnd.dev.sigstore.bundle.v0.3+json".to_owned()),
        ..manifest("signature", &[])
    };
    put(&**store, "team/app", signature).await;
    put(&**store, "team/app", manifest("trashed", &["gone"])).await;
    put(&**store, "team/app", manifest("deleted", &["deleted"])).await;
    assert!(store.delete_tag(&name("team/app"), &tag("gone"), &deletion(DAY)).await.expect("deleted"));
    assert!(store.delete_manifest(&name("team/app"), &sha256(b"deleted"), &deletion(DAY)).await.expect("deleted"));
    let held = Held { repository: name("team/app"), tag: Some(tag("v2")), reason: "audit".to_owned() };
    assert!(store.hold(held, &change()).await.expect("held"));
    store.clock.advance(DAY);
    put(&**store, "team/app", index).await;
    let pull = PullRecord {
        repository: name("team/app"),
        digest: sha256(b"child"),
        tag: None,
        at: BEGIN + 9,
        by: "user:alice".to_owned(),
    };
    store
        .record_pulls(vec![pull.clone(), PullRecord { digest: sha256(b"index"), tag: Some(tag("v1")), ..pull }])
        .await
        .expect("recorded");

    let StoredGraph { graph: RepositoryGraph { tags, manifests, is_held }, manifest_ids, .. } =
        graph(&**store, "team/app").await;
    assert!(!is_held && manifest_ids.is_sorted() && manifest_ids.len() == manifests.len());
    let digests: Vec<_> = manifests.iter().map(|node| node.digest.clone()).collect();
    assert_eq!(digests, [&b"child"[..], b"index", b"signature", b"trashed"].map(sha256));
    let later = BEGIN + 86_400;
    let of_tags: Vec<_> = tags
        .iter()
        .map(|node| (node.tag.as_str(), node.manifest, node.pushed_at, node.pulled_at, node.is_held))
        .collect();
    assert_eq!(of_tags, [("v1", 1, later, Some(BEGIN + 9), false), ("v2", 1, later, None, true)], "pushed again");
    assert_eq!((manifests[1].children.as_slice(), manifests[2].subject), (&[0][..], Some(1)));
    assert_eq!(manifests.iter().map(|node| node.pulled_at.is_some()).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(manifests.iter().map(|node| node.is_signature).collect::<Vec<_>>(), [false, false, true, false]);
    assert_eq!(manifests.iter().map(|node| node.is_in_trash).collect::<Vec<_>>(), [false, false, false, true]);
}

async fn what_was_decided_about_another_state_is_not_removed(store: &MetadataSubject) {
    let app = name("team/app");
    put(&**store, "team/app", manifest("one", &["v1", "v2"])).await;
    put(&**store, "team/app", manifest("untagged", &[])).await;
    let before = graph(&**store, "team/app").await.generation;
    put(&**store, "team/app", manifest("two", &["v3"])).await;
    let retired = Retired { tags: vec![tag("v1"), tag("absent")], manifests: vec![sha256(b"untagged")] };
    assert!(!store.retire(&app, before, retired.clone(), &at_once()).await.expect("answered"));
    assert!(tag_target(&**store, "team/app", "v1").await.is_some());

    let now = graph(&**store, "team/app").await.generation;
    assert!(store.retire(&app, now, retired, &at_once()).await.expect("retired"));
    assert_eq!(graph(&**store, "team/app").await.generation, now + 1, "the next batch expects that");
    assert_eq!(tag_target(&**store, "team/app", "v1").await, None);
    assert!(tag_target(&**store, "team/app", "v2").await.is_some());
    assert!(!has(&**store, "team/app", &sha256(b"untagged")).await);
}

async fn bytes_are_freed_that_nothing_else_refers_to(store: &MetadataSubject) {
    let (shared, own, elsewhere) = (blob(1, 1000), blob(2, 200), blob(3, 30));
    for (repository, text, blobs) in [
        ("team/app", "one", vec![&shared, &own]),
        ("team/app", "two", vec![&shared]),
        ("other", "three", vec![&elsewhere]),
    ] {
        for blob in &blobs {
            link(&**store, repository, blob).await;
        }
        let blobs = blobs.iter().map(|blob| blob.digest.clone()).collect();
        put(&**store, repository, NewManifest { blobs, ..manifest(text, &[text]) }).await;
    }
    let (ids, other) = (graph(&**store, "team/app").await.manifest_ids, graph(&**store, "other").await.manifest_ids);
    assert_eq!(store.bytes_freed(&ids[..1]).await.expect("read"), 200);
    assert_eq!(store.bytes_freed(&ids[1..]).await.expect("read"), 0);
    assert_eq!(store.bytes_freed(&ids).await.expect("read"), 1200);
    assert_eq!(store.bytes_freed(&[ids, other].concat()).await.expect("read"), 1230);
    assert_eq!(store.bytes_freed(&[]).await.expect("read"), 0);
}

/// Numbers that look random, and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

/// A repository of random images, indexes and referrers that share blobs; returns the blobs of each manifest.
async fn fill(store: &MetadataSubject, repository: &str, seed: u64) -> Vec<Vec<BlobRecord>> {
    let mut numbers = Numbers(seed);
    let pool: Vec<_> = (0..6).map(|number| blob(seed * 100 + number, 100 + numbers.below(900))).collect();
    let mut pushed: Vec<(Digest, Vec<BlobRecord>)> = Vec::new();
    for place in 0..4 + numbers.below(8) {
        let blobs: Vec<_> = (0..1 + numbers.below(2)).map(|_| pool[numbers.below(pool.len())].clone()).collect();
        let mut earlier = |chance: usize| {
            let earlier = numbers.below(chance * (place + 1));
            pushed.get(earlier).map(|(digest, _)| digest.clone())
        };
        let children: BTreeSet<Digest> = [earlier(2), earlier(2)].into_iter().flatten().collect();
        let subject = earlier(3);
        let tags: Vec<String> =
            (0..numbers.below(3)).map(|number| format!("{}{place}-{number}", ["v", "pr"][numbers.below(2)])).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        for blob in &blobs {
            link(&**store, repository, blob).await;
        }
        let new = NewManifest {
            blobs: blobs.iter().map(|blob| blob.digest.clone()).collect(),
            children: children.into_iter().collect(),
            subject,
            ..manifest(&format!("{repository} {place}"), &tags)
        };
        pushed.push((new.digest.clone(), blobs));
        put(&**store, repository, new).await;
        store.clock.advance(DAY);
    }
    pushed.into_iter().map(|(_, blobs)| blobs).collect()
}

/// What a manifest reaches: what it lists, and what refers to any of that.
fn reach(graph: &RepositoryGraph, manifest: usize, found: &mut BTreeSet<usize>) {
    if found.insert(manifest) {
        let referrers = graph.manifests.iter().enumerate().filter(|(_, node)| node.subject == Some(manifest));
        let next: Vec<_> =
            graph.manifests[manifest].children.iter().copied().chain(referrers.map(|(place, _)| place)).collect();
        next.into_iter().for_each(|next| reach(graph, next, found));
    }
}

/// Retention and then the collector over random repositories, without any delay: a kept tag has all of its manifests and blobs, and exactly
/// those bytes are freed that were foretold.
async fn nothing_kept_loses_a_byte(store: &MetadataSubject) {
    let rules = [
        RetentionRule { id: 1, is_rehearsed: true, ..rule(Some("*"), "newest=2") },
        RetentionRule { id: 2, is_rehearsed: true, ..rule(Some("pr*"), "pushed-within=4d") },
        RetentionRule { id: 3, is_rehearsed: true, ..rule(None, "pushed-within=5d") },
    ];
    for seed in 1..=8_u64 {
        let repository = format!("team/{seed}");
        let blobs = fill(store, &repository, seed).await;
        let stored = graph(&**store, &repository).await;
        let circumstances = Circumstances {
            rules: rules.iter().collect(),
            protection: TagProtection::default(),
            now: store.clock.clock().seconds(),
            pulls_since: None,
            untagged_before: i64::MAX,
            rehearses: false,
        };
        let judgement = judge(&stored.graph, &circumstances);
        let removed = |is_kept: bool| !is_kept;
        let tags = stored.graph.tags.iter().zip(&judgement.tags).filter(|(_, decision)| removed(decision.is_kept));
        let untagged = judgement.untagged.iter().filter(|(_, decision)| removed(decision.is_kept));
        let retired = Retired {
            tags: tags.map(|(node, _)| node.tag.clone()).collect(),
            manifests: untagged.map(|(place, _)| stored.graph.manifests[*place].digest.clone()).collect(),
        };
        let lost: Vec<i64> = judgement.lost.iter().map(|place| stored.manifest_ids[*place]).collect();
        let foretold = store.bytes_freed(&lost).await.expect("read");
        assert!(store.retire(&name(&repository), stored.generation, retired, &at_once()).await.expect("retired"));
        store.clock.advance(2 * DAY);
        collect(&**store).await;

        let mut freed = 0;
        for content in store.claim_doomed(Duration::from_mins(1), 100).await.expect("claimed") {
            store.forget_doomed(std::slice::from_ref(&content), content.size).await.expect("forgotten");
            freed += content.size;
        }
        assert_eq!(freed, foretold, "{repository}");
        for (node, _) in stored.graph.tags.iter().zip(&judgement.tags).filter(|(_, decision)| decision.is_kept) {
            let mut reached = BTreeSet::new();
            reach(&stored.graph, node.manifest, &mut reached);
            for place in reached {
                assert!(
                    has(&**store, &repository, &stored.graph.manifests[place].digest).await,
                    "{repository}: {node:?}"
                );
                for blob in &blobs[place] {
                    let found = store.blob(&name(&repository), &blob.digest).await.expect("read");
                    assert!(found.is_some(), "{repository}: {node:?}");
                }
            }
        }
    }
}
