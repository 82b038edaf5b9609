//! The contract of lists: they are read by key, in ranges, and their pages end by number and by bytes.

use portcullis::domain::{Digest, NameRange};
use portcullis::storage::metadata::{NewManifest, PageLimit};

use super::content::{OCI, blob, link, manifest, name, put, sha256};
use super::subject::MetadataSubject;

metadata_contract! {
    referrers_are_listed_in_pages,
    referrers_end_by_bytes,
    referrers_are_picked_from_a_long_list,
    names_are_read_in_ranges,
    a_blob_is_found_within_a_range_only,
}

const fn entries(entries: u32) -> PageLimit {
    PageLimit { entries, bytes: u64::MAX }
}

async fn referrers_are_listed_in_pages(store: &MetadataSubject) {
    let subject = sha256(b"need not exist");
    let repository = name("referrers");
    assert!(store.referrers(&repository, &subject, None, None, entries(10)).await.expect("read").entries.is_empty());
    let mut digests = Vec::new();
    for number in 0..7 {
        let mut new = manifest(&format!("referrer {number}"), &[]);
        new.subject = Some(subject.clone());
        new.artifact_type = (number != 6).then(|| if number % 2 == 0 { "test/even" } else { "test/odd" }.to_owned());
        new.annotations = (number == 0).then(|| "{\"a\":\"b\"}".to_owned());
        digests.push(new.digest.to_string());
        put(&**store, "referrers", new).await;
    }
    put(&**store, "referrers", manifest("no referrer", &[])).await;
    let first = store.referrers(&repository, &subject, Some("Test/EVEN"), None, entries(10)).await.expect("read");
    assert_eq!((first.entries.len(), first.more), (3, false), "types compare without case");
    let annotated = first.entries.iter().find(|found| found.digest == sha256(b"referrer 0")).expect("listed");
    assert_eq!(annotated.annotations.as_deref(), Some("{\"a\":\"b\"}"));
    assert_eq!((annotated.media_type.as_str(), annotated.size), (OCI, 10));
    assert_eq!(annotated.artifact_type.as_deref(), Some("test/even"));

    digests.sort_unstable();
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.referrers(&repository, &subject, None, after.as_ref(), entries(3)).await.expect("read");
        let Some(last) = page.entries.last() else { break };
        after = Some(last.digest.clone());
        found.extend(page.entries.iter().map(|found| found.digest.to_string()));
    }
    assert_eq!(found, digests);
}

async fn referrers_end_by_bytes(store: &MetadataSubject) {
    let (repository, subject) = (name("heavy"), sha256(b"the subject"));
    for number in 0..10 {
        let annotations = Some(format!("{{\"a\":\"{}\"}}", "\u{e9}".repeat(50_000)));
        let subject = Some(subject.clone());
        put(&**store, "heavy", NewManifest { annotations, subject, ..manifest(&format!("heavy {number}"), &[]) }).await;
    }
    let read = async |entries, bytes, after: Option<&Digest>| {
        store.referrers(&repository, &subject, None, after, PageLimit { entries, bytes }).await.expect("read")
    };
    let page = read(100, 350_000, None).await;
    assert_eq!((page.entries.len(), page.more), (3, true), "three of 100 kB each");
    assert_eq!(read(100, 1, None).await.entries.len(), 1, "one always");
    let (mut after, mut found) = (None, 0);
    loop {
        let page = read(4, 350_000, after.as_ref()).await;
        found += page.entries.len();
        after = page.entries.last().map(|last| last.digest.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(found, 10);
    assert!(!read(10, u64::MAX, None).await.more);
}

async fn referrers_are_picked_from_a_long_list(store: &MetadataSubject) {
    let (repository, subject) = (name("picked"), sha256(b"the subject"));
    for (text, subject) in [("one", Some(subject.clone())), ("other", Some(sha256(b"x"))), ("none", None)] {
        put(&**store, "picked", NewManifest { subject, ..manifest(text, &[]) }).await;
    }
    let mut candidates: Vec<Digest> = (0..10_000).map(|number: u32| sha256(&number.to_le_bytes())).collect();
    candidates.extend(["one", "other", "none"].map(|text| sha256(text.as_bytes())));
    let picked = store.among_referrers(&repository, &subject, &candidates).await.expect("read");
    assert_eq!(picked, [sha256(b"one")]);
    assert!(store.among_referrers(&repository, &subject, &[]).await.expect("read").is_empty());
    assert!(store.among_referrers(&name("nowhere"), &subject, &candidates).await.expect("read").is_empty());
}

async fn names_are_read_in_ranges(store: &MetadataSubject) {
    for repository in ["range", "range-a", "range/a", "range/a/b", "range/b", "range0"] {
        link(&**store, repository, &blob(20, 10)).await;
    }
    let read = async |range: NameRange, after: Option<&str>, limit| {
        let names = store.repositories_within(&range, after, limit).await.expect("read");
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let below = || NameRange::beginning_with("range/");
    assert_eq!(read(below(), None, 10).await, ["range/a", "range/a/b", "range/b"]);
    assert_eq!(read(below(), Some("range/a"), 1).await, ["range/a/b"]);
    assert_eq!(read(below(), Some("a"), 1).await, ["range/a"], "a start before the range");
    assert!(read(below(), Some("z"), 10).await.is_empty());
    assert_eq!(read(NameRange::only("range"), None, 10).await, ["range"]);
    assert!(read(NameRange::only("range"), Some("range"), 10).await.is_empty());
    assert!(read(NameRange::all(), Some("range-"), 1000).await.contains(&"range/a".to_owned()));
}

async fn a_blob_is_found_within_a_range_only(store: &MetadataSubject) {
    let blob = blob(12, 42);
    for repository in ["with/c", "with/a", "with/b/a", "with/b", "with/b-a"] {
        link(&**store, repository, &blob).await;
    }
    let find = async |range: NameRange, digest: &Digest| {
        store.repository_with_blob(digest, &range).await.expect("read").map(|name| name.to_string())
    };
    assert_eq!(find(NameRange::all(), &blob.digest).await.as_deref(), Some("with/a"));
    assert_eq!(find(NameRange::beginning_with("with/b/"), &blob.digest).await.as_deref(), Some("with/b/a"));
    assert_eq!(find(NameRange::only("with/c"), &blob.digest).await.as_deref(), Some("with/c"));
    assert_eq!(find(NameRange::beginning_with("without/"), &blob.digest).await, None);
    assert_eq!(find(NameRange::all(), &sha256(b"absent")).await, None);
}
