//! The contract of imports: contents are entered as a push enters them, and dates are those from before, but never later ones.

use portcullis::storage::blobs::BlobKey;
use portcullis::storage::metadata::{BlobRecord, EarlierDates, ImportedBlob};

use super::content::{LEASE, manifest, name, put, sha256};
use super::subject::{BEGIN, MetadataSubject};

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
