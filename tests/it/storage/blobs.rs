//! The contract of `BlobStore`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use portcullis::domain::{Algorithm, Hasher};
use portcullis::storage::StorageError;
use portcullis::storage::blobs::{BlobKey, Content};
use uuid::Uuid;

use super::content::{body, broken, content, drain, empty, fresh, push, sha256, stalled};
use super::subject::BlobSubject;

blob_contract! {
    every_length_comes_back,
    large_contents_come_back,
    appends_continue_each_other,
    bytes_beyond_the_state_are_dropped,
    a_client_may_be_silent_at_any_time,
    a_broken_body_keeps_what_came,
    a_dropped_append_breaks_nothing,
    content_can_be_hashed_again,
    publishing_ends_the_staging_area,
    discarding_ends_the_staging_area,
    ranges_are_exact,
    what_is_missing_is_damage,
    removing_is_idempotent,
    sessions_do_not_meet,
    abandoned_areas_are_found_in_pages,
    a_content_is_located,
    another_handle_continues_and_reads,
    a_mark_is_known_again_and_no_other_is,
    many_contents_are_removed_at_once,
    a_bond_is_replaced,
}

async fn every_length_comes_back(store: &BlobSubject) {
    let (small, large) = (64 * 1024, 1024 * 1024);
    for length in [0, 1, 4095, small - 1, small, small + 1, small + large, small + large + 1, 4 * large + 7] {
        for size in [1000, 16 * 1024, 3 * 1024 * 1024] {
            let content = content(length, length as u64);
            for durable in [true, false] {
                let appended = store.append(fresh(), body(&content, size), durable).await.expect("appended");
                assert!(appended.broken.is_none());
                assert_eq!(appended.staged.length, length as u64);
                let digest = appended.staged.hasher.clone().finish();
                assert_eq!(digest, sha256(&content), "{length} bytes in chunks of {size}");
                let key = store.publish(&appended.staged, &digest).await.expect("published");
                assert_eq!(store.length(&key).await.expect("known"), Some(length as u64));
                let stream = store.read(&key, 0..length as u64).await.expect("opened");
                assert!(drain(stream).await.expect("read") == content, "{length} bytes in chunks of {size}");
            }
        }
    }
    let free = store.free_space().await.expect("known");
    assert!(free.is_none_or(|free| free > 0));
}

/// So large that stores which send parts send several, with and without a rest.
async fn large_contents_come_back(store: &BlobSubject) {
    let part = crate::support::s3::PART;
    for (length, cuts) in [
        (part, vec![]),
        (2 * part, vec![part]),
        (2 * part + 1, vec![]),
        (3 * part + 70_000, vec![10, part + 3, 2 * part + 100_000, 2 * part + 100_001]),
        (part + 50, vec![1_000_000, 2_000_000, 3_000_000]),
    ] {
        let whole = content(length, length as u64);
        let mut staged = fresh();
        for cut in cuts {
            let from = usize::try_from(staged.length).expect("small");
            let appended = store.append(staged, body(&whole.slice(from..cut), 60_000), true).await.expect("appended");
            staged = appended.staged;
        }
        let from = usize::try_from(staged.length).expect("small");
        staged =
            store.other().append(staged, body(&whole.slice(from..), 60_000), false).await.expect("appended").staged;
        let digest = staged.hasher.clone().finish();
        assert_eq!((staged.length, &digest), (length as u64, &sha256(&whole)));
        let rehashed = store.rehash(&staged, Algorithm::Sha512).await.expect("hashed again");
        assert_eq!(rehashed, Hasher::digest(Algorithm::Sha512, &whole));
        let key = store.publish(&staged, &digest).await.expect("published");
        assert!(drain(store.read(&key, 0..length as u64).await.expect("opened")).await.expect("read") == whole);
        assert_eq!(store.publish(&staged, &digest).await.expect("published again"), key, "{length}");
    }
}

async fn appends_continue_each_other(store: &BlobSubject) {
    let whole = content(3_000_000, 1);
    let mut staged = fresh();
    for part in [0..1, 1..70_000, 70_000..70_000, 70_000..2_500_000, 2_500_000..3_000_000] {
        let is_last = part.end == 3_000_000;
        let appended = store.append(staged, body(&whole.slice(part), 10_000), !is_last).await.expect("appended");
        staged = appended.staged;
        // As after a restart: the hash goes through the database.
        staged.hasher = Hasher::restore(Algorithm::Sha256, &staged.hasher.save()).expect("restored");
    }
    let digest = staged.hasher.clone().finish();
    assert_eq!(digest, sha256(&whole));
    let key = store.publish(&staged, &digest).await.expect("published");
    assert!(drain(store.read(&key, 0..3_000_000).await.expect("opened")).await.expect("read") == whole);
}

/// An empty chunk says that no more comes for a while: also where a buffer has just been filled to its end, and more than once.
async fn a_client_may_be_silent_at_any_time(store: &BlobSubject) {
    let (small, large) = (64 * 1024, 1024 * 1024);
    for lengths in [[0, 10, 0], [small, 10, small], [small, large, 7], [small + large, 0, 3], [1, small - 1, large]] {
        let parts = lengths.map(|length| content(length, length as u64));
        let silence = || stream::iter([Ok(Bytes::new()), Ok(Bytes::new())]);
        let [first, second, third] = parts.clone().map(|part| body(&part, 16 * 1024));
        let whole = Box::pin(
            silence().chain(first).chain(silence()).chain(second).chain(silence()).chain(third).chain(silence()),
        );
        let appended = store.append(fresh(), whole, false).await.expect("appended");
        assert!(appended.broken.is_none());
        assert_eq!(appended.staged.hasher.clone().finish(), sha256(&parts.concat()), "{lengths:?}");
    }
}

async fn bytes_beyond_the_state_are_dropped(store: &BlobSubject) {
    let (first, lost, second) = (content(100_000, 2), content(1_500_000, 3), content(5_000, 4));
    let kept = store.append(fresh(), body(&first, 9_000), true).await.expect("appended").staged;
    store.append(kept.clone(), body(&lost, 9_000), false).await.expect("appended");
    let staged = store.append(kept.clone(), body(&second, 9_000), false).await.expect("appended").staged;
    let digest = staged.hasher.clone().finish();
    let key = store.publish(&staged, &digest).await.expect("published");
    assert_eq!(store.length(&key).await.expect("known"), Some(105_000));
    let read = drain(store.read(&key, 0..105_000).await.expect("opened")).await.expect("read");
    assert!(read == [first, second].concat() && sha256(&read) == digest);

    // The same where nothing is appended, and where nothing ever counted.
    for kept in [0, 100_000] {
        let first = content(kept, 5);
        let kept = store.append(fresh(), body(&first, 9_000), true).await.expect("appended").staged;
        store.append(kept.clone(), body(&lost, 9_000), false).await.expect("appended");
        let staged = store.append(kept, empty(), true).await.expect("appended").staged;
        let key = store.publish(&staged, &sha256(&first)).await.expect("published");
        assert_eq!(store.length(&key).await.expect("known"), Some(first.len() as u64));
    }
}

async fn a_broken_body_keeps_what_came(store: &BlobSubject) {
    for length in [0, 10, 200_000, 2_000_000] {
        let (came, rest) = (content(length, 6), content(1_000, 7));
        let appended = store.append(fresh(), broken(&came, 7_000), true).await.expect("appended");
        assert!(matches!(appended.broken, Some(StorageError::BrokenBody(_))));
        assert_eq!(appended.staged.length, length as u64);
        assert_eq!(appended.staged.hasher.clone().finish(), sha256(&came));
        let whole = store.append(appended.staged, body(&rest, 7_000), false).await.expect("appended").staged;
        assert_eq!(whole.hasher.clone().finish(), sha256(&[came, rest].concat()));
        store.publish(&whole, &whole.hasher.clone().finish()).await.expect("published");
    }
}

async fn a_dropped_append_breaks_nothing(store: &BlobSubject) {
    let (first, lost, second) = (content(150_000, 8), content(4_000_000, 9), content(3_000_000, 10));
    let kept = store.append(fresh(), body(&first, 9_000), true).await.expect("appended").staged;
    for patience in [0, 1, 5, 20] {
        let append = store.append(kept.clone(), stalled(&lost, 50_000), false);
        assert!(tokio::time::timeout(Duration::from_millis(patience), append).await.is_err());
    }
    let staged = store.append(kept, body(&second, 50_000), false).await.expect("appended").staged;
    let digest = staged.hasher.clone().finish();
    let key = store.publish(&staged, &digest).await.expect("published");
    let read = drain(store.read(&key, 0..staged.length).await.expect("opened")).await.expect("read");
    assert!(read == [first, second].concat());
}

async fn content_can_be_hashed_again(store: &BlobSubject) {
    for length in [0, 700_000] {
        let content = content(length, 11);
        let staged = store.append(fresh(), body(&content, 9_000), false).await.expect("appended").staged;
        let digest = store.rehash(&staged, Algorithm::Sha512).await.expect("hashed");
        assert_eq!(digest, Hasher::digest(Algorithm::Sha512, &content));
        let key = store.publish(&staged, &digest).await.expect("published");
        assert_eq!(store.length(&key).await.expect("known"), Some(length as u64));
    }
}

async fn publishing_ends_the_staging_area(store: &BlobSubject) {
    let content = content(150_000, 12);
    let digest = sha256(&content);
    let staged = store.append(fresh(), body(&content, 9_000), false).await.expect("appended").staged;
    let key = store.publish(&staged, &digest).await.expect("published");
    assert!(store.staged_before(i64::MAX, None, 10).await.expect("read").is_empty());

    // A second session with the same content, and the first one again, as after a crash before its row was stored.
    let second = store.append(fresh(), body(&content, 9_000), false).await.expect("appended").staged;
    let second = store.publish(&second, &digest).await.expect("published");
    assert!(drain(store.read(&second, 0..150_000).await.expect("opened")).await.expect("read") == content);
    assert_eq!(store.publish(&staged, &digest).await.expect("published"), key);
    assert!(drain(store.read(&key, 0..150_000).await.expect("opened")).await.expect("read") == content);
}

async fn discarding_ends_the_staging_area(store: &BlobSubject) {
    let staged = store.append(fresh(), body(&content(150_000, 13), 9_000), true).await.expect("appended").staged;
    store.discard(&staged.area).await.expect("discarded");
    store.discard(&staged.area).await.expect("discarded again");
    // Where appending does not look at what is there already, publishing does.
    match store.append(staged.clone(), body(&content(10, 14), 10), false).await {
        Ok(appended) => {
            let published = store.publish(&appended.staged, &appended.staged.hasher.clone().finish()).await;
            assert!(matches!(published, Err(StorageError::Damaged(_))), "{published:?}");
        }
        Err(error) => assert!(matches!(error, StorageError::Damaged(_)), "{error:?}"),
    }
    let published = store.publish(&staged, &sha256(b"never published")).await;
    assert!(matches!(published, Err(StorageError::Damaged(_))));
    assert!(matches!(store.rehash(&staged, Algorithm::Sha512).await, Err(StorageError::Damaged(_))));
}

async fn ranges_are_exact(store: &BlobSubject) {
    let content = content(1_000_000, 14);
    let (_, key) = push(&**store, &content).await.expect("pushed");
    for range in [0..0, 0..1, 999_999..1_000_000, 1_000_000..1_000_000, 1..999_999, 262_143..262_145, 300_000..310_000]
    {
        let read = drain(store.read(&key, range.clone()).await.expect("opened")).await.expect("read");
        let (start, end) = (usize::try_from(range.start).expect("small"), usize::try_from(range.end).expect("small"));
        assert!(read == content[start..end], "{range:?}");
    }
    // A receiver that goes away early.
    let mut stream = store.read(&key, 0..1_000_000).await.expect("opened");
    assert!(stream.next().await.is_some());
}

async fn what_is_missing_is_damage(store: &BlobSubject) {
    let (_, key) = push(&**store, &content(1_000, 15)).await.expect("pushed");
    for range in [0..1_001, 1_000..1_001, 5_000..6_000] {
        assert!(matches!(store.read(&key, range).await.err(), Some(StorageError::Damaged(_))));
    }
    store.remove(&key).await.expect("removed");
    assert_eq!(store.length(&key).await.expect("known"), None);
    assert!(matches!(store.read(&key, 0..0).await.err(), Some(StorageError::Damaged(_))));
    let odd = BlobKey("../../etc/passwd".to_owned());
    assert!(matches!(store.read(&odd, 0..1).await.err(), Some(StorageError::Damaged(_))));
    // Healed by a new push.
    let key = push(&**store, &content(1_000, 15)).await.expect("pushed").1;
    assert_eq!(store.length(&key).await.expect("known"), Some(1_000));
}

async fn removing_is_idempotent(store: &BlobSubject) {
    let (_, key) = push(&**store, &content(1_000, 16)).await.expect("pushed");
    store.remove(&key).await.expect("removed");
    store.remove(&key).await.expect("removed again");
}

async fn sessions_do_not_meet(store: &BlobSubject) {
    let sessions = (0..32_u64).map(|number| async move {
        // Half of them push the same.
        let content = content(300_000, if number % 2 == 0 { 17 } else { number + 1_000 });
        let (digest, key) = push(&**store, &content).await.expect("pushed");
        assert_eq!(digest, sha256(&content));
        assert!(drain(store.read(&key, 0..300_000).await.expect("opened")).await.expect("read") == content);
    });
    join_all(sessions).await;
    // A session whose client stalls delays no one.
    let stall = content(2_000_000, 18);
    let slow = (0..600).map(|_| store.append(fresh(), stalled(&stall.slice(..70_000), 50_000), false));
    let other = content(1_000_000, 19);
    tokio::select! {
        _ = join_all(slow) => panic!("a stalled body was complete"),
        pushed = async { tokio::time::sleep(Duration::from_millis(200)).await; push(&**store, &other).await } => {
            pushed.expect("pushed");
        }
    }
}

async fn abandoned_areas_are_found_in_pages(store: &BlobSubject) {
    let mut areas = Vec::new();
    for seed in 0..5 {
        // The second rest is no longer all that there is of it.
        let staged = store.append(fresh(), body(&content(100_000, seed), 9_000), true).await.expect("appended").staged;
        let staged = store.append(staged, body(&content(100_000, seed), 9_000), true).await.expect("appended").staged;
        areas.push(staged.area);
    }
    let mut expected: Vec<_> = areas.iter().map(|area| area.upload).collect();
    expected.sort_unstable();
    assert!(store.staged_before(0, None, 10).await.expect("read").is_empty(), "none is that old");
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.staged_before(i64::MAX, after, 2).await.expect("read");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.upload);
        found.extend(page);
    }
    assert_eq!(found.iter().map(|area| area.upload).collect::<Vec<_>>(), expected);
    for area in &found {
        store.other().discard(area).await.expect("discarded");
    }
    assert!(store.staged_before(i64::MAX, None, 10).await.expect("read").is_empty());
}

async fn a_content_is_located(store: &BlobSubject) {
    let content = content(10_000, 20);
    let (_, key) = push(&**store, &content).await.expect("pushed");
    match store.locate(&key, 100..200, None).await.expect("located") {
        Content::Stream(bytes) => assert!(drain(bytes).await.expect("read") == content[100..200]),
        Content::Redirect(address) => assert!(address.scheme().is_some() && address.host().is_some(), "{address}"),
    }
}

async fn another_handle_continues_and_reads(store: &BlobSubject) {
    let (first, second) = (content(150_000, 21), content(70_000, 22));
    let staged = store.append(fresh(), body(&first, 9_000), true).await.expect("appended").staged;
    let whole = store.other().append(staged, body(&second, 9_000), true).await.expect("continued").staged;
    let digest = whole.hasher.clone().finish();
    let key = store.publish(&whole, &digest).await.expect("published");
    let read = drain(store.other().read(&key, 0..whole.length).await.expect("opened")).await.expect("read");
    assert!(read == [first, second].concat());
    store.other().remove(&key).await.expect("removed");
    assert_eq!(store.length(&key).await.expect("known"), None);
}

async fn a_mark_is_known_again_and_no_other_is(store: &BlobSubject) {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    assert!(!store.has_mark(one).await.expect("asked"), "it is a new store");
    for _ in 0..2 {
        store.mark(one).await.expect("left");
        assert!(store.other().has_mark(one).await.expect("asked"));
    }
    assert!(!store.has_mark(two).await.expect("asked"));
    store.other().mark(two).await.expect("left");
    assert!(store.has_mark(one).await.expect("asked") && store.has_mark(two).await.expect("asked"));
    let (_, key) = push(&**store, &content(1_000, 23)).await.expect("pushed");
    assert_eq!(store.length(&key).await.expect("known"), Some(1_000), "contents do not mind");
    assert!(store.staged_before(i64::MAX, None, 10).await.expect("read").is_empty(), "no one takes it for an upload");
}

async fn many_contents_are_removed_at_once(store: &BlobSubject) {
    let mut keys = Vec::new();
    for seed in 0..20 {
        keys.push(push(&**store, &content(100, 9000 + seed)).await.expect("pushed").1);
    }
    let (kept, removed) = keys.split_at(5);
    let answers = store.remove_all(removed).await;
    assert!(answers.len() == 15 && answers.iter().all(|answer| matches!(answer, Ok(true))), "{answers:?}");
    for key in removed {
        assert_eq!(store.length(key).await.expect("known"), None);
    }
    for key in kept {
        assert_eq!(store.length(key).await.expect("known"), Some(100));
    }
    assert!(store.remove_all(removed).await.iter().all(Result::is_ok), "once more");
    let wrong = store.remove_all(&[BlobKey("../x".to_owned()), kept[0].clone()]).await;
    assert!(wrong[0].is_err() && wrong[1].is_ok(), "each has its own answer");
}

async fn a_bond_is_replaced(store: &BlobSubject) {
    assert_eq!(store.bond().await.expect("read"), None);
    for bond in [uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2)] {
        store.bind(bond).await.expect("bound");
        assert_eq!(store.bond().await.expect("read"), Some(bond));
    }
}
