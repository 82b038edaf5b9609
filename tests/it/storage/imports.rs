//! The contract of imports: contents are entered as a push enters them, and dates are those from before, but never later ones.

use std::fs;
use std::os::unix::fs::MetadataExt;

use futures_util::TryStreamExt;
use portcullis::domain::Clock;
use portcullis::storage::StorageError;
use portcullis::storage::blobs::{self, Adoption, BlobKey, BlobStore, Original};
use portcullis::storage::metadata::{BlobRecord, EarlierDates, ImportedBlob};

use super::content::{LEASE, manifest, name, put, sha256};
use super::subject::{BEGIN, MetadataSubject};
use crate::support::s3;

metadata_contract! {
    contents_are_entered_together,
    what_was_collected_meanwhile_is_not_entered,
    dates_become_earlier_and_never_later,
}

fn blob(text: &str, is_known: bool) -> ImportedBlob {
    let digest = sha256(text.as_bytes());
    let key = BlobKey(format!("key of {text}"));
    ImportedBlob { blob: BlobRecord { digest, size: text.len() as u64, key }, is_known }
}

async fn contents_are_entered_together(store: &MetadataSubject) {
    let repository = name("imported");
    let blobs = vec![blob("one", false), blob("other", false)];
    assert_eq!(store.import_blobs(&repository, blobs.clone(), LEASE).await.expect("entered"), []);
    for ImportedBlob { blob, .. } in &blobs {
        let linked = store.blob(&repository, &blob.digest).await.expect("read").expect("linked");
        assert_eq!(linked.blob, *blob);
    }
    let mut again = blobs.clone();
    again[0].blob.key = BlobKey("another key".to_owned());
    let needless = store.import_blobs(&name("other"), again, LEASE).await.expect("entered");
    assert_eq!(needless, [BlobKey("another key".to_owned())], "a known content keeps its key");
    let linked = store.blob(&name("other"), &blobs[0].blob.digest).await.expect("read").expect("linked");
    assert_eq!(linked.blob, blobs[0].blob);
}

async fn what_was_collected_meanwhile_is_not_entered(store: &MetadataSubject) {
    let repository = name("imported");
    let known = blob("known", true);
    assert_eq!(store.import_blobs(&repository, vec![known.clone()], LEASE).await.expect("done"), []);
    assert_eq!(store.blob(&repository, &known.blob.digest).await.expect("read"), None);
    store.import_blobs(&name("other"), vec![blob("known", false)], LEASE).await.expect("entered");
    store.import_blobs(&repository, vec![known.clone()], LEASE).await.expect("entered");
    assert!(store.blob(&repository, &known.blob.digest).await.expect("read").is_some());
}

async fn dates_become_earlier_and_never_later(store: &MetadataSubject) {
    let repository = name("dated");
    put(&**store, "dated", manifest("one", &["v1", "v2"])).await;
    put(&**store, "dated", manifest("other", &["v3"])).await;
    let digest = sha256(b"one");
    let dates = |at| EarlierDates {
        manifests: vec![(digest.clone(), at)],
        // The last one points elsewhere.
        tags: ["v1", "v3"].map(|tag| (tag.parse().expect("a tag"), digest.clone(), at)).to_vec(),
    };
    for (at, expected) in [(BEGIN - 100, BEGIN - 100), (BEGIN - 50, BEGIN - 100), (BEGIN - 200, BEGIN - 200)] {
        store.backdate(&repository, dates(at)).await.expect("dated");
        let tags = store.tags(&repository, None, 10).await.expect("read").expect("exists");
        let found: Vec<i64> = tags.iter().map(|tag| tag.updated_at).collect();
        assert_eq!(found, [expected, BEGIN, BEGIN]);
        let summary = store.repository_summary(&repository).await.expect("read").expect("exists");
        assert_eq!(summary.created_at, expected);
    }
    store.backdate(&name("unknown"), dates(BEGIN)).await.expect("nothing to date");
}

async fn read(store: &dyn BlobStore, key: &BlobKey, length: usize) -> Vec<u8> {
    let bytes = store.read(key, 0..length as u64).await.expect("there");
    bytes.map_ok(|chunk| chunk.to_vec()).try_concat().await.expect("read")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_file_is_the_same_file_and_outlives_the_original() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = blobs::disk::open(&folder.path().join("data"), 0, Clock::system()).expect("opened");
    let (path, content) = (folder.path().join("original"), b"a content of another registry");
    fs::write(&path, content).expect("written");
    let original = Original::File(path.clone());
    let (digest, size) = (sha256(content), content.len() as u64);
    for (digest, size) in [(&sha256(b"another"), size), (&digest, size + 1)] {
        let refused = store.adopt(&original, digest, size).await;
        assert!(matches!(refused, Err(StorageError::Damaged(_))), "{refused:?}");
    }
    assert_eq!(store.cannot_adopt(&original).await.expect("tried"), None);
    // A content that a power cut left damaged is replaced.
    let published = folder.path().join("data/blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    fs::write(&published, b"cut").expect("written");
    let Adoption::Adopted(key, true) = store.adopt(&original, &digest, size).await.expect("adopted") else {
        panic!("not adopted")
    };
    store.settle().await.expect("settled");
    assert_eq!(store.adopt(&original, &digest, size).await.expect("adopted"), Adoption::Adopted(key.clone(), false));
    assert_eq!(fs::metadata(&path).expect("there").nlink(), 2);
    fs::remove_file(&path).expect("removed");
    assert_eq!(read(&*store, &key, content.len()).await, content);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_object_is_removed_only_once_the_other_registry_is_given_up() {
    let bucket = s3::Bucket::new();
    let (options, content) = (bucket.options(), b"a content of another registry");
    let path = bucket.folder().join("old/data");
    fs::create_dir(bucket.folder().join("old")).and_then(|()| fs::write(&path, content)).expect("written");
    let store = blobs::s3::open(&options, Clock::system()).expect("opened");
    let at = |bucket: &str| Original::Object {
        endpoint: options.endpoint.clone(),
        bucket: bucket.to_owned(),
        name: "old/data".to_owned(),
    };
    let (original, digest, size) = (at(&options.bucket), sha256(content), content.len() as u64);
    assert!(matches!(store.adopt(&at("another"), &digest, size).await, Ok(Adoption::Impossible(_))));
    let refused = store.adopt(&original, &sha256(b"another"), size).await;
    assert!(matches!(refused, Err(StorageError::Damaged(_))), "{refused:?}");
    let Adoption::Adopted(key, true) = store.adopt(&original, &digest, size).await.expect("adopted") else {
        panic!("not adopted")
    };
    assert_eq!(read(&*store, &key, content.len()).await, content);
    store.remove(&key).await.expect("left");
    let left = store.remove_all(std::slice::from_ref(&key)).await;
    assert!(matches!(left[..], [Ok(false)]), "{left:?}");
    assert!(path.exists());
    let (shared, ours) = store.adopted_keys().expect("a bucket has both");
    let key = BlobKey(key.0.replacen(shared, ours, 1));
    assert_eq!(read(&*store, &key, content.len()).await, content);
    let removed = store.remove_all(&[key]).await;
    assert!(matches!(removed[..], [Ok(true)]) && !path.exists(), "{removed:?}");
}
