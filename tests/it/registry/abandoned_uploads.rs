//! What a crash leaves of uploads in a bucket is dropped once a day, and nothing that a session may still need.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use jiff::Timestamp;
use portcullis::domain::{Algorithm, ManualClock, UploadId};
use portcullis::registry::{Registry, RegistrySettings};
use portcullis::storage::blobs::{ByteStream, Staged, s3};
use portcullis::storage::metadata::{UploadProgress, UploadRecord, sqlite};

use crate::support::s3::{Bucket, PART};

fn bytes(length: usize) -> ByteStream {
    Box::pin(stream::iter([Ok(vec![1; length].into())]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_in_the_bucket_goes_and_what_a_session_has_stays() {
    let (folder, bucket) = (tempfile::tempdir().expect("a folder"), Bucket::new());
    let clock = ManualClock::at(Timestamp::now());
    let metadata = sqlite::open(&folder.path().join("metadata.db"), clock.clock()).await.expect("opens");
    let blobs = s3::open(&bucket.options(), clock.clock()).expect("opens");
    let registry = Registry::new(metadata.clone(), Arc::clone(&blobs), RegistrySettings::default(), clock.clock());
    assert!(registry.has_abandoned_uploads());

    // In two tails, of which the second is a tail alone; and in a part and a tail.
    let mut ids = [(); 6].map(|()| UploadId::generate());
    ids.sort_unstable();
    for (number, id) in ids.iter().enumerate() {
        let mut staged = Staged::empty(*id, Algorithm::Sha256);
        for length in if number % 2 == 0 { [100_000, 100_000] } else { [PART, 100_000] } {
            staged = blobs.append(staged, bytes(length), true).await.expect("appended").staged;
        }
        if number < 2 {
            let record = UploadRecord {
                id: *id,
                repository: "alice/app".parse().expect("a name"),
                subject: "user:alice".to_owned(),
                owner: "user:alice".to_owned(),
                progress: UploadProgress::from(&staged),
                updated_at: 0,
            };
            assert!(metadata.create_upload(record, 10).await.expect("created"));
        }
    }
    let tails = || bucket.objects().into_iter().filter(|(name, _)| name.starts_with("t/")).count();
    let before = tails();
    assert_eq!(registry.drop_abandoned_uploads().await.expect("dropped"), 0, "a request may be working on them");
    assert_eq!(tails(), before);
    clock.advance(Duration::from_hours(24 + 24 + 1));
    assert_eq!(registry.drop_abandoned_uploads().await.expect("dropped"), 4);
    let left = bucket.objects();
    let is_of = |id: &UploadId| left.iter().any(|(name, _)| name.starts_with("t/") && name.contains(&id.to_string()));
    assert_eq!(ids.map(|id| is_of(&id)), [true, true, false, false, false, false], "{left:?}");
    assert_eq!(registry.drop_abandoned_uploads().await.expect("dropped"), 0);
}
