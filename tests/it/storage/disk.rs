//! What is particular to the disk: files, permissions, torn tails, a full disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::domain::{Clock, Digest};
use portcullis::storage::StorageError;
use portcullis::storage::blobs;

use crate::support::eventually;

use super::content::{SmallDisk, body, content, disk, drain, empty, fresh, push, sha256, stalled};

fn published(root: &Path, digest: &Digest) -> PathBuf {
    root.join("blobs").join(digest.algorithm().as_str()).join(&digest.hex()[..2]).join(digest.hex())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_where_the_layout_says_and_are_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("data");
    let store = disk(&root);
    let staged = store.append(fresh(), body(&content(100_000, 1), 9_000), true).await.expect("appended").staged;
    let file = root.join("uploads").join(staged.area.upload.to_string());
    assert_eq!((mode(&file), mode(&root), mode(&root.join("uploads"))), (0o600, 0o700, 0o700));
    let digest = staged.hasher.clone().finish();
    store.publish(&staged, &digest).await.expect("published");
    assert!(!file.exists());
    assert_eq!(mode(&published(&root, &digest)), 0o600);
    assert_eq!(mode(published(&root, &digest).parent().expect("a shard")), 0o700);
}

#[tokio::test]
async fn an_empty_upload_needs_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let staged = store.append(fresh(), empty(), true).await.expect("appended").staged;
    assert_eq!(fs::read_dir(folder.path().join("uploads")).expect("there").count(), 0);
    let key = store.publish(&staged, &sha256(b"")).await.expect("published");
    assert_eq!(store.length(&key).await.expect("known"), Some(0));
    assert_eq!(fs::read_dir(folder.path().join("uploads")).expect("there").count(), 0);
}

#[tokio::test]
async fn a_small_content_has_no_file_until_it_is_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let staging_areas = || fs::read_dir(folder.path().join("uploads")).expect("there").count();
    let parts = [content(1, 20), content(20_000, 21), content(20_000, 22)];
    let mut staged = fresh();
    for part in &parts {
        staged = store.append(staged, body(part, 9_000), true).await.expect("appended").staged;
        assert_eq!(staging_areas(), 0);
    }
    let whole = parts.concat();
    assert_eq!((staged.length, staged.hasher.clone().finish()), (40_001, sha256(&whole)));
    let key = store.publish(&staged, &sha256(&whole)).await.expect("published");
    assert!(drain(store.read(&key, 0..40_001).await.expect("opened")).await.expect("read") == whole);
    // The same session, as after a crash before its row was stored; and as much more as makes a file of it.
    assert_eq!(store.publish(&staged, &sha256(&whole)).await.expect("published again"), key);
    let more = content(40_000, 23);
    staged = store.append(staged, body(&more, 9_000), true).await.expect("appended").staged;
    assert_eq!((staged.length, staging_areas()), (80_001, 1));
    let whole = [whole, more.to_vec()].concat();
    let key = store.publish(&staged, &sha256(&whole)).await.expect("published");
    assert!(drain(store.read(&key, 0..80_001).await.expect("opened")).await.expect("read") == whole);
    assert_eq!(staging_areas(), 0);
}

/// A power cut may leave the name of a small content and not its bytes, before any row knows of it.
#[tokio::test]
async fn a_small_content_that_is_there_already_is_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let content = content(1_000, 24);
    let (digest, key) = push(&*store, &content).await.expect("pushed");
    fs::write(published(folder.path(), &digest), [0; 1_000]).expect("written");
    push(&*store, &content).await.expect("pushed");
    assert!(drain(store.read(&key, 0..1_000).await.expect("opened")).await.expect("read") == content);
}

/// Its beginning goes through the page cache and the rest past it, where the file system takes that.
#[tokio::test]
async fn a_large_content_comes_back_however_it_is_cut() {
    let large = 32 * 1024 * 1024;
    let whole = content(large + 3 * 1024 * 1024 + 5, 25);
    let digest = sha256(&whole);
    for folder in [tempfile::tempdir(), tempfile::tempdir_in("/dev/shm")] {
        let folder = folder.expect("a folder");
        let store = disk(folder.path());
        let (end, odd) = (whole.len(), large + 1024 * 1024 + 1);
        for cuts in
            [vec![], vec![1, large + 4095], vec![large - 1, large, odd, odd + 4097], vec![4096, odd, end - 4096]]
        {
            let mut staged = fresh();
            let mut from = 0;
            for to in cuts.into_iter().chain([end]) {
                let part = whole.slice(from..to);
                staged = store.append(staged, body(&part, 300_000), from % 2 == 0).await.expect("appended").staged;
                from = to;
            }
            assert_eq!(staged.hasher.clone().finish(), digest);
            let key = store.publish(&staged, &digest).await.expect("published");
            let read = drain(store.read(&key, 0..end as u64).await.expect("opened")).await.expect("read");
            assert!(read == whole);
            store.remove(&key).await.expect("removed");
        }
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_a_lost_one_is_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let staged = store.append(fresh(), body(&content(100_000, 2), 9_000), true).await.expect("appended").staged;
    let file = folder.path().join("uploads").join(staged.area.upload.to_string());
    let mut torn = fs::read(&file).expect("read");
    torn.extend_from_slice(b"what a crash left");
    fs::write(&file, torn).expect("written");
    store.append(staged.clone(), empty(), false).await.expect("appended");
    assert_eq!(fs::metadata(&file).expect("there").len(), 100_000);
    fs::write(&file, b"too short").expect("written");
    for outcome in [
        store.append(staged.clone(), empty(), false).await.map(drop),
        store.append(staged.clone(), body(&content(9, 3), 9), false).await.map(drop),
        store.publish(&staged, &sha256(b"x")).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(StorageError::Damaged(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_published_file_of_another_length_is_replaced_and_a_removed_shard_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let content = content(10_000, 4);
    let (digest, key) = push(&*store, &content).await.expect("pushed");
    let file = published(folder.path(), &digest);
    fs::write(&file, b"cut off").expect("written");
    assert!(matches!(store.read(&key, 0..10_000).await.err(), Some(StorageError::Damaged(_))));
    push(&*store, &content).await.expect("pushed");
    assert!(drain(store.read(&key, 0..10_000).await.expect("opened")).await.expect("read") == content);
    fs::remove_dir_all(file.parent().expect("a shard")).expect("removed");
    push(&*store, &content).await.expect("pushed");
    assert_eq!(store.length(&key).await.expect("known"), Some(10_000));
}

#[tokio::test]
async fn the_floor_refuses_before_a_byte_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = blobs::disk::open(folder.path(), u64::MAX, Clock::system()).expect("opens");
    let refused = store.append(fresh(), body(&content(10, 5), 10), false).await;
    assert!(matches!(refused, Err(StorageError::Full(_))));
    assert_eq!(fs::read_dir(folder.path().join("uploads")).expect("there").count(), 0);
    assert_eq!(store.free_space().await.expect("known"), Some(0));
}

#[tokio::test]
async fn a_full_disk_leaves_what_was_there_and_takes_more_when_there_is_room() {
    let Some(small) = SmallDisk::mount("8m") else { return };
    let store = disk(small.path());
    let first = content(2_000_000, 6);
    let staged = store.append(fresh(), body(&first, 50_000), true).await.expect("appended").staged;
    let file = small.path().join("uploads").join(staged.area.upload.to_string());
    let filler = small.path().join("filler");
    fs::write(&filler, content(4_000_000, 7)).expect("written");
    let full = store.append(staged.clone(), body(&content(20_000_000, 8), 50_000), false).await;
    assert!(matches!(full, Err(StorageError::Full(_))), "{full:?}");
    assert_eq!(fs::metadata(&file).expect("there").len(), 2_000_000);
    fs::remove_file(filler).expect("removed");
    let rest = content(1_000_000, 9);
    let whole = store.append(staged, body(&rest, 50_000), false).await.expect("appended").staged;
    let digest = whole.hasher.clone().finish();
    let key = store.publish(&whole, &digest).await.expect("published");
    assert!(
        drain(store.read(&key, 0..3_000_000).await.expect("opened")).await.expect("read") == [first, rest].concat()
    );
}

#[tokio::test]
async fn a_full_disk_fails_one_upload_in_the_middle_of_another() {
    let Some(small) = SmallDisk::mount("8m") else { return };
    let store = disk(small.path());
    let (one, other) = (content(3_000_000, 10), content(20_000_000, 11));
    let (pushed, full) = tokio::join!(push(&*store, &one), store.append(fresh(), body(&other, 50_000), true));
    assert!(matches!(full, Err(StorageError::Full(_))), "{full:?}");
    assert!(pushed.is_ok() || matches!(pushed, Err(StorageError::Full(_))), "{pushed:?}");
}

/// A dropped request's write may still wait for a thread or a lock when the next request begins, and even when it has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_comes_late_touches_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let (first, lost, second) = (content(100_000, 12), content(70_000, 13), content(150_000, 14));
    for round in 0..20_u64 {
        let kept = store.append(fresh(), body(&first, 9_000), false).await.expect("appended").staged;
        let held = fs::File::open(folder.path().join("uploads").join(kept.area.upload.to_string())).expect("there");
        held.lock().expect("locked");
        let append = store.append(kept.clone(), stalled(&lost, 70_000), false);
        assert!(tokio::time::timeout(Duration::from_millis(3 + round % 5), append).await.is_err());
        drop(held);
        let staged = store.append(kept, body(&second, 150_000), false).await.expect("appended").staged;
        let digest = sha256(&[first.clone(), second.clone()].concat());
        assert_eq!(staged.hasher.clone().finish(), digest);
        let key = store.publish(&staged, &digest).await.expect("published");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let read = drain(store.read(&key, 0..250_000).await.expect("opened")).await.expect("read");
        assert_eq!(sha256(&read), digest);
        store.remove(&key).await.expect("removed");
    }
}

#[tokio::test]
async fn a_file_that_was_read_a_moment_ago_is_not_read_any_more_once_it_is_replaced_or_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let content = content(100_000, 9);
    let (digest, key) = push(&*store, &content).await.expect("pushed");
    let file = published(folder.path(), &digest);
    let read = async |range| Ok::<_, StorageError>(drain(store.read(&key, range).await?).await?);
    for _ in 0..2 {
        assert!(read(10..70_000).await.expect("read") == content[10..70_000]);
    }
    let other = folder.path().join("other");
    fs::write(&other, vec![7; 100_000]).expect("written");
    fs::rename(&other, &file).expect("replaced");
    assert!(read(10..70_000).await.expect("read") == vec![7; 69_990], "what is under the name now");
    fs::write(&file, b"short").expect("written");
    assert!(matches!(read(10..70_000).await, Err(StorageError::Damaged(_))));
    assert_eq!(store.length(&key).await.expect("known"), Some(5));
    fs::remove_file(&file).expect("removed");
    assert!(matches!(read(0..5).await, Err(StorageError::Damaged(_))));
    assert_eq!(store.length(&key).await.expect("known"), None);
}

#[tokio::test]
async fn files_that_were_read_are_not_kept_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let open = || {
        let descriptors = fs::read_dir("/proc/self/fd").expect("Linux has it").filter_map(Result::ok);
        descriptors
            .filter_map(|link| fs::read_link(link.path()).ok())
            .filter(|to| to.starts_with(folder.path()))
            .count()
    };
    for seed in 0..200 {
        let content = content(20_000, 1000 + seed);
        let (_, key) = push(&*store, &content).await.expect("pushed");
        assert!(drain(store.read(&key, 1..20_000).await.expect("opened")).await.expect("read") == content[1..]);
        assert!(open() <= 64, "{} files are open", open());
    }
    assert!(open() > 0, "for a moment they are");
    eventually("all are closed", async || open() == 0).await;
}

#[tokio::test]
async fn what_was_published_or_discarded_cannot_be_appended_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = disk(folder.path());
    let content = content(150_000, 12);
    for publish in [true, false] {
        let staged = store.append(fresh(), body(&content, 9_000), false).await.expect("appended").staged;
        if publish {
            let key = store.publish(&staged, &sha256(&content)).await.expect("published");
            assert_eq!(key.0, sha256(&content).to_string(), "one key for one content");
        } else {
            store.discard(&staged.area).await.expect("discarded");
        }
        let appended = store.append(staged, empty(), false).await;
        assert!(matches!(appended, Err(StorageError::Damaged(_))), "the staged bytes are gone: {appended:?}");
    }
}
