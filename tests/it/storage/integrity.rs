//! The contract of verification: what is damaged is in no repository until it is pushed again, and a backup keeps contents from being removed.

use std::time::Duration;

use portcullis::domain::TagProtection;
use portcullis::storage::blobs::BlobKey;
use portcullis::storage::metadata::{BlobRecord, ReviewKind, ScrubPlace};

use super::content::{LEASE, blob, link, name};
use super::subject::MetadataSubject;

metadata_contract! {
    a_damaged_blob_is_unknown_until_it_is_pushed_again,
    blobs_come_in_the_order_of_keys,
    what_was_read_longest_ago_is_due_first,
    contents_are_known_by_row_or_because_they_are_doomed,
    a_pinned_content_is_not_removed,
}

const NONE: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_mins(1);

async fn a_damaged_blob_is_unknown_until_it_is_pushed_again(subject: &MetadataSubject) {
    let (store, app, other) = (&**subject, name("team/app"), name("team/other"));
    let good = blob(1, 10);
    link(store, "team/app", &good).await;
    let generation = store.blob(&app, &good.digest).await.expect("read").expect("there").generation;
    assert!(!store.mark_damaged(&good.digest, &BlobKey("another".to_owned())).await.expect("marked"));
    assert!(store.mark_damaged(&good.digest, &good.key).await.expect("marked"));
    assert_eq!(store.blob(&app, &good.digest).await.expect("read"), None);
    assert_eq!(store.stored_blob(&good.digest).await.expect("read"), None);
    assert!(!store.mount_blob(&app, &other, &good.digest, LEASE).await.expect("asked"));
    assert!(!store.lease_blob(&app, &good.digest, LEASE).await.expect("asked"));
    assert!(store.generation(&app).await.expect("read") > Some(generation), "nodes forget what they remember");
    // It comes back under another key, as a bucket has it.
    let again = BlobRecord { key: BlobKey("u/new".to_owned()), ..good.clone() };
    let key = store.link_blob(&app, again.clone(), None, LEASE).await.expect("linked").expect("known");
    assert_eq!(key, again.key);
    assert_eq!(store.blob(&app, &good.digest).await.expect("read").expect("there").blob, again);
    // Or is found to be right after all.
    assert!(store.mark_damaged(&good.digest, &again.key).await.expect("marked"));
    assert!(store.mark_sound(&good.digest, &again.key).await.expect("marked"));
    assert!(store.stored_blob(&good.digest).await.expect("read").is_some());
}

async fn blobs_come_in_the_order_of_keys(subject: &MetadataSubject) {
    let store = &**subject;
    let mut keys = Vec::new();
    for number in 0..25 {
        let blob = BlobRecord { key: BlobKey(format!("u/{}", 7 * number % 25)), ..blob(number, 10) };
        keys.push(blob.key.0.clone());
        link(store, "team/app", &blob).await;
    }
    keys.sort();
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let page = store.blobs_by_key(last.as_ref(), 10).await.expect("read");
        let Some(end) = page.last() else { break };
        last = Some(end.blob.key.clone());
        found.extend(page.into_iter().map(|row| row.blob.key.0));
    }
    // An upgraded database has blobs already.
    found.retain(|key: &String| key.starts_with("u/"));
    assert_eq!(found, keys);
}

async fn what_was_read_longest_ago_is_due_first(subject: &MetadataSubject) {
    let store = &**subject;
    let blobs: Vec<BlobRecord> = (0..6).map(|number| blob(number, 10)).collect();
    for blob in &blobs {
        link(store, "team/app", blob).await;
    }
    store.note_verified(vec![blobs[0].digest.clone(), blobs[3].digest.clone()]).await.expect("noted");
    store.mark_damaged(&blobs[1].digest, &blobs[1].key).await.expect("marked");
    let due = |place, before| store.due_for_scrub(place, before, i64::MAX, 2);
    let (mut order, mut place) = (Vec::new(), ScrubPlace::START);
    loop {
        let page = due(place, i64::MAX).await.expect("read");
        let Some((last, _)) = page.last() else { break };
        place = *last;
        order.extend(page.into_iter().map(|(_, blob)| blob.digest));
    }
    // An upgraded database has blobs already.
    order.retain(|digest| blobs.iter().any(|blob| blob.digest == *digest));
    let expected = [2, 4, 5, 0, 3].map(|at: usize| blobs[at].digest.clone());
    assert_eq!(order, expected, "those that were never read, then the others; none that is damaged");
    assert_eq!(
        due(ScrubPlace::START, 1).await.expect("read").len(),
        2,
        "a page of those that were not read since then"
    );
    let old = store.due_for_scrub(ScrubPlace::START, i64::MAX, 1, 9).await.expect("read");
    assert!(!old.iter().any(|(_, blob)| blobs.contains(blob)), "all are new");
    store.suspect(vec![blobs[3].digest.clone()]).await.expect("asked");
    assert_eq!(store.suspected(9).await.expect("read"), [blobs[3].clone()]);
    store.note_verified(vec![blobs[3].digest.clone()]).await.expect("noted");
    assert!(store.suspected(9).await.expect("read").is_empty());
}

async fn contents_are_known_by_row_or_because_they_are_doomed(subject: &MetadataSubject) {
    let (store, known) = (&**subject, blob(1, 10));
    link(store, "team/app", &known).await;
    let [doomed, other] = ["u/doomed", "u/other"].map(|key| BlobKey(key.to_owned()));
    store.doom_contents(vec![(doomed.clone(), 7)]).await.expect("doomed");
    let asked = vec![known.key.clone(), doomed.clone(), other];
    let found = store.known_contents(asked).await.expect("read");
    assert_eq!(found, [known.key, doomed.clone()].into());
    let claimed = store.claim_doomed(MINUTE, 9).await.expect("claimed");
    assert_eq!((claimed.len(), &claimed[0].key, claimed[0].size), (1, &doomed, 7));
    assert!(!store.is_in_use(&claimed[0]).await.expect("read"));
}

async fn a_pinned_content_is_not_removed(subject: &MetadataSubject) {
    let (store, app, old) = (&**subject, name("team/app"), blob(1, 10));
    store.link_blob(&app, old.clone(), None, NONE).await.expect("linked");
    store.unlink_blob(&app, &old.digest, &TagProtection::default()).await.expect("unlinked");
    store.pin_contents("one", MINUTE).await.expect("pinned");
    store.pin_contents("other", MINUTE).await.expect("pinned");
    for kind in ReviewKind::ALL {
        for review in store.claim_reviews(kind, NONE, MINUTE, 9).await.expect("claimed") {
            store.review(review).await.expect("reviewed");
        }
    }
    assert_eq!(store.stored_blob(&old.digest).await.expect("read"), None, "its row is gone");
    assert!(store.claim_doomed(MINUTE, 9).await.expect("asked").is_empty());
    store.unpin_contents("one").await.expect("ended");
    assert!(store.claim_doomed(MINUTE, 9).await.expect("asked").is_empty());
    store.unpin_contents("other").await.expect("ended");
    assert_eq!(store.claim_doomed(MINUTE, 9).await.expect("asked").len(), 1);
    // One whose process was killed ends by itself.
    store.doom_contents(vec![(BlobKey("u/other".to_owned()), 3)]).await.expect("doomed");
    store.pin_contents("killed", NONE).await.expect("pinned");
    assert_eq!(store.claim_doomed(MINUTE, 9).await.expect("asked").len(), 1);
}
