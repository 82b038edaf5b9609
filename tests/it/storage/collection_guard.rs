//! The contract of what keeps the collector from removing too much.

use std::time::Duration;

use portcullis::storage::metadata::{RemovalLimit, ReviewKind, Reviewed};
use uuid::Uuid;

use super::content::{LEASE, blob, link};
use super::subject::MetadataSubject;

metadata_contract! {
    a_mark_is_replaced_by_one_who_knows_it,
    many_removals_wait_for_a_person,
}

const LIMIT: RemovalLimit = RemovalLimit { least: 3, percent: 20, within: Duration::from_hours(24) };

async fn a_mark_is_replaced_by_one_who_knows_it(store: &MetadataSubject) {
    let begun = store.collection_mark().await.expect("read");
    assert_eq!((begun.mark, begun.before), (None, None));
    let [first, second, third] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
    assert!(store.replace_collection_mark(None, first).await.expect("replaced"));
    assert!(!store.replace_collection_mark(None, second).await.expect("answered"), "another node was faster");
    assert!(store.replace_collection_mark(Some(first), third).await.expect("replaced"));
    let known = store.collection_mark().await.expect("read");
    assert_eq!((known.mark, known.before), (Some(third), Some(first)));
}

async fn many_removals_wait_for_a_person(store: &MetadataSubject) {
    for seed in 0..10 {
        link(&**store, "limited", &blob(seed, 10)).await;
    }
    store.clock.advance(LEASE);
    let found = store.removals(LIMIT).await.expect("counted");
    let begun = found.blobs;
    assert!(found.waiting == 0 && found.removed == 0 && begun >= 10 && found.are_allowed, "{found:?}");
    for kind in [ReviewKind::Link, ReviewKind::Blob] {
        for review in store.claim_reviews(kind, Duration::ZERO, LEASE, 4).await.expect("claimed") {
            assert_eq!(store.review(review).await.expect("reviewed"), Reviewed::Collected);
        }
    }
    let found = store.removals(LIMIT).await.expect("counted");
    assert_eq!((found.waiting, found.are_allowed), (4, false), "a fifth is 2, and 3 may go in any case");
    assert!(store.removals(RemovalLimit { percent: 40, ..LIMIT }).await.expect("counted").are_allowed);
    assert_eq!(store.confirm_removals().await.expect("confirmed"), 4);
    for review in store.claim_reviews(ReviewKind::Removal, Duration::ZERO, LEASE, 4).await.expect("claimed") {
        assert!(store.removals(LIMIT).await.expect("counted").are_allowed);
        assert_eq!(store.review(review).await.expect("reviewed"), Reviewed::Collected);
    }
    for review in store.claim_reviews(ReviewKind::Link, Duration::ZERO, LEASE, 1).await.expect("claimed") {
        store.review(review).await.expect("reviewed");
    }
    for review in store.claim_reviews(ReviewKind::Blob, Duration::ZERO, LEASE, 1).await.expect("claimed") {
        store.review(review).await.expect("reviewed");
    }
    let found = store.removals(LIMIT).await.expect("counted");
    assert_eq!((found.waiting, found.removed, found.are_allowed), (1, 4, false), "what was confirmed is used up");
    store.clock.advance(LIMIT.within);
    let found = store.removals(LIMIT).await.expect("counted");
    assert_eq!((found.removed, found.blobs, found.are_allowed), (0, begun - 4, true), "of another day");
}
