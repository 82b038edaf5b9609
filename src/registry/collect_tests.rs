//! Collection over real stores: contents go with their rows, and never what a push has just published.

use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::domain::{Algorithm, Digest, Hasher, ManualClock, RepositoryName, TagProtection, UploadId};
use crate::registry::RegistrySettings;
use crate::storage::blobs::{BlobKey, Staged, disk};
use crate::storage::metadata::{BlobRecord, sqlite};

const BLOB_LEASE: Duration = Duration::from_hours(24);
const PACE: CollectionPace = CollectionPace {
    keep: Duration::ZERO,
    grace: Duration::from_mins(10),
    rate: None,
    reviews: true,
    removes_contents: true,
};

struct Subject {
    folder: tempfile::TempDir,
    clock: ManualClock,
    registry: Registry,
}

impl Subject {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(Timestamp::now());
        let metadata = sqlite::open(&folder.path().join("metadata.db"), clock.clock()).await.expect("opens");
        let blobs = disk::open(folder.path(), 0, clock.clock()).expect("opens");
        let registry = Registry::new(metadata, blobs, RegistrySettings::default(), clock.clock());
        Self { folder, clock, registry }
    }

    /// Publishes a content, as a push does before its row is stored.
    async fn publish(&self, content: &'static [u8]) -> (Digest, BlobKey) {
        let staged = Staged::empty(UploadId::generate(), Algorithm::Sha256);
        let body = Box::pin(stream::iter([Ok(Bytes::from_static(content))]));
        let staged = self.registry.blobs.append(staged, body, false).await.expect("appended").staged;
        let digest = Hasher::digest(Algorithm::Sha256, content);
        let key = self.registry.blobs.publish(&staged, &digest).await.expect("published");
        (digest, key)
    }

    async fn push(&self, content: &'static [u8]) -> Digest {
        let (digest, key) = self.publish(content).await;
        let blob = BlobRecord { digest: digest.clone(), size: content.len() as u64, key };
        self.registry.metadata.link_blob(&repository(), blob, None, BLOB_LEASE).await.expect("linked");
        digest
    }

    async fn collect(&self) -> Collected {
        self.registry.collect(PACE, |_| ()).await.expect("collected")
    }

    fn files(&self) -> usize {
        let mut folders = vec![self.folder.path().join("blobs/sha256")];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files += 1 }
            }
        }
        files
    }
}

fn repository() -> RepositoryName {
    "alice/app".parse().expect("a name")
}

#[tokio::test]
async fn what_is_collected_frees_the_disk_after_the_grace_period() {
    let subject = Subject::open().await;
    subject.push(b"unused").await;
    assert_eq!((subject.collect().await, subject.files()), (Collected::default(), 1));
    subject.clock.advance(BLOB_LEASE);
    assert_eq!(subject.collect().await, Collected { links: 1, ..Collected::default() });
    assert_eq!(subject.files(), 1, "a push may still want it");
    subject.clock.advance(PACE.grace);
    assert_eq!(subject.collect().await, Collected { blobs: 1, freed_bytes: 6, ..Collected::default() });
    assert_eq!(subject.files(), 0);
    assert_eq!(subject.registry.collection_status().await.expect("read").freed_bytes, 6);
}

#[tokio::test]
async fn a_push_that_has_published_and_not_committed_keeps_its_content() {
    let subject = Subject::open().await;
    let digest = subject.push(b"wanted again").await;
    subject.clock.advance(BLOB_LEASE);
    subject.collect().await;
    subject.clock.advance(PACE.grace);
    let undecided = CollectionPace { removes_contents: false, ..PACE };
    assert_eq!(subject.registry.collect(undecided, |_| ()).await.expect("collected").blobs, 1, "its row is gone");

    let lock = subject.registry.contents.publishing(&digest).await;
    let (_, key) = subject.publish(b"wanted again").await;
    let collecting = tokio::time::timeout(Duration::from_millis(100), subject.collect()).await;
    assert!(collecting.is_err(), "the content is not removed while the push holds its lock");
    let blob = BlobRecord { digest: digest.clone(), size: 12, key };
    subject.registry.metadata.link_blob(&repository(), blob, None, BLOB_LEASE).await.expect("linked");
    drop(lock);
    subject.clock.advance(CLAIM);
    assert_eq!(subject.collect().await, Collected::default());
    assert_eq!(subject.files(), 1);
    assert_eq!(subject.registry.collection_status().await.expect("read").doomed, (0, 0));
}

#[tokio::test]
async fn a_read_only_registry_collects_nothing() {
    let mut subject = Subject::open().await;
    subject.push(b"kept").await;
    subject.clock.advance(BLOB_LEASE * 2);
    subject.registry.settings.storage.read_only = true;
    assert!(matches!(subject.registry.collect(PACE, |_| ()).await, Err(RegistryError::ReadOnly)));
}

#[tokio::test]
async fn a_database_that_was_restored_or_made_again_removes_nothing() {
    let mut subject = Subject::open().await;
    subject.push(b"first").await;
    subject.clock.advance(BLOB_LEASE);
    assert_eq!(subject.collect().await.links, 1, "the stores are new, and belong together");
    let backup = subject.folder.path().join("backup.db");
    std::fs::copy(subject.folder.path().join("metadata.db"), &backup).expect("copied");
    for wal in ["metadata.db-wal", "metadata.db-shm"] {
        let _ =
            std::fs::copy(subject.folder.path().join(wal), backup.with_file_name(wal.replace("metadata", "backup")));
    }
    subject.push(b"second").await;
    subject.clock.advance(BLOB_LEASE * 2);
    assert_eq!(subject.collect().await.blobs, 1);
    let made_again = subject.folder.path().join("new.db");
    for database in [backup, made_again] {
        let metadata = sqlite::open(&database, subject.clock.clock()).await.expect("opens");
        let blobs = disk::open(subject.folder.path(), 0, subject.clock.clock()).expect("opens");
        subject.registry = Registry::new(metadata, blobs, RegistrySettings::default(), subject.clock.clock());
        let digest = subject.push(b"third").await;
        subject
            .registry
            .metadata
            .unlink_blob(&repository(), &digest, &TagProtection::default())
            .await
            .expect("unlinked");
        subject.clock.advance(BLOB_LEASE * 2);
        let stopped = Collected { stopped: Some(CollectionStop::OtherBlobs), ..Collected::default() };
        assert_eq!(subject.collect().await, stopped, "{database:?}");
        assert!(subject.files() > 1);
        let told = CollectionStop::OtherBlobs.to_string();
        assert!(told.contains("portcullis check"), "{told}");
    }
    subject.registry.bind_blobs().await.expect("bound");
    subject.clock.advance(CLAIM);
    let collected = subject.collect().await;
    assert_eq!(collected.stopped, None);
    subject.clock.advance(PACE.grace);
    assert_eq!(subject.collect().await.freed_bytes, 5);
}

#[tokio::test]
async fn a_mark_that_was_drawn_and_not_left_is_left_by_the_next_run() {
    let subject = Subject::open().await;
    subject.collect().await;
    let first = subject.registry.metadata.collection_mark().await.expect("read").mark;
    assert_eq!(subject.registry.blobs.bond().await.expect("read"), first);
    let second = uuid::Uuid::from_u128(7);
    assert!(subject.registry.metadata.replace_collection_mark(first, second).await.expect("replaced"));
    subject.clock.advance(Duration::from_hours(1));
    assert_eq!(subject.collect().await.stopped, None);
    let known = subject.registry.metadata.collection_mark().await.expect("read");
    assert_eq!(known.before, Some(second));
    assert_eq!(subject.registry.blobs.bond().await.expect("read"), known.mark);
    subject.registry.blobs.bind(uuid::Uuid::from_u128(8)).await.expect("bound");
    subject.clock.advance(Duration::from_hours(1));
    assert_eq!(subject.collect().await.stopped, Some(CollectionStop::OtherBlobs));
}
