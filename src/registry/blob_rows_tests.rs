//! What is remembered of blobs, with two handles on the same data.

use jiff::Timestamp;

use super::*;
use crate::domain::{Algorithm, Hasher, ManualClock, TagProtection};
use crate::registry::RegistrySettings;
use crate::storage::blobs::{BlobKey, BlobStore, Staged, disk};
use crate::storage::coordination::SEEN_WITHIN;
use crate::storage::metadata::{BlobRecord, Metadata, sqlite};

struct Node {
    registry: Registry,
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn BlobStore>,
}

struct Site {
    folder: tempfile::TempDir,
    clock: ManualClock,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), clock: ManualClock::at(Timestamp::UNIX_EPOCH) }
    }

    /// As another process has it.
    async fn node(&self) -> Node {
        let (path, clock) = (self.folder.path(), self.clock.clock());
        let metadata = sqlite::open(&path.join("metadata.db"), clock.clone()).await.expect("opens");
        let blobs = disk::open(path, 0, clock.clone()).expect("opens");
        let registry = Registry::new(Arc::clone(&metadata), Arc::clone(&blobs), RegistrySettings::default(), clock);
        Node { registry, metadata, blobs }
    }
}

impl Node {
    async fn push(&self, content: &'static [u8]) -> BlobRecord {
        let staged = Staged::empty(crate::domain::UploadId::generate(), Algorithm::Sha256);
        let body = Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(content))]));
        let staged = self.blobs.append(staged, body, false).await.expect("appended").staged;
        let digest = staged.hasher.clone().finish();
        let key = self.blobs.publish(&staged, &digest).await.expect("published");
        let blob = BlobRecord { digest, size: content.len() as u64, key };
        self.metadata.link_blob(&repository(), blob.clone(), None, Duration::from_hours(24)).await.expect("linked");
        blob
    }

    async fn knows(&self, digest: &Digest) -> bool {
        self.registry.known_blob(&repository(), digest).await.expect("read").is_some()
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, RegistryError> {
        let known = self.registry.known_blob(&repository(), digest).await?.expect("linked");
        match self.registry.content(&known, range, None).await? {
            Content::Whole(bytes) => Ok(bytes),
            Content::Stream(_) | Content::Redirect(_) => panic!("a small content is in memory"),
        }
    }
}

fn repository() -> RepositoryName {
    "app".parse().expect("a name")
}

#[tokio::test]
async fn a_row_is_remembered_until_another_process_changes_the_repository() {
    let site = Site::new();
    let (node, other) = (site.node().await, site.node().await);
    let blob = other.push(b"a blob").await;
    assert!(node.knows(&blob.digest).await);
    other.metadata.unlink_blob(&repository(), &blob.digest, &TagProtection::default()).await.expect("unlinked");
    assert!(node.knows(&blob.digest).await, "from memory");
    site.clock.advance(SEEN_WITHIN);
    assert!(!node.knows(&blob.digest).await);
    other.push(b"a blob").await;
    assert!(node.knows(&blob.digest).await, "that there is none is not remembered");
}

#[tokio::test]
async fn what_this_process_changes_is_seen_at_once() {
    let site = Site::new();
    let node = site.node().await;
    let blob = node.push(b"a blob").await;
    assert!(node.knows(&blob.digest).await);
    node.metadata.unlink_blob(&repository(), &blob.digest, &TagProtection::default()).await.expect("unlinked");
    node.registry.generations.invalidate(&repository());
    assert!(!node.knows(&blob.digest).await);
}

#[tokio::test]
async fn a_small_content_is_served_from_memory_for_a_moment() {
    let site = Site::new();
    let (node, other) = (site.node().await, site.node().await);
    let blob = node.push(b"0123456789").await;
    assert_eq!(node.read(&blob.digest, 2..5).await.expect("read"), "234");
    other.blobs.remove(&blob.key).await.expect("removed");
    assert_eq!(node.read(&blob.digest, 0..10).await.expect("in memory"), "0123456789");
    let known = node.registry.known_blob(&repository(), &blob.digest).await.expect("read").expect("linked");
    assert!(!node.registry.has_content(&known).await.expect("read"), "who asks whether it is there is told at once");
    site.clock.advance(MOMENT);
    assert!(matches!(node.read(&blob.digest, 0..10).await, Err(RegistryError::Failed(_))));
    other.push(b"0123456789").await;
    assert_eq!(node.read(&blob.digest, 0..10).await.expect("pushed again"), "0123456789");
}

#[test]
fn what_is_remembered_is_bounded() {
    let rows = BlobRows::new();
    for number in 0..10_000_u32 {
        let digest = Hasher::digest(Algorithm::Sha256, &number.to_be_bytes());
        let blob = BlobRecord { digest: digest.clone(), size: SMALL, key: BlobKey(digest.to_string()) };
        let known =
            KnownBlob { linked: LinkedBlob { blob, generation: 1, leased_until: 0 }, content: ArcSwapOption::empty() };
        let bytes = Bytes::from(vec![0; 8 * 1024]);
        known.content.store(Some(Arc::new(KnownContent { read: Instant::now(), bytes })));
        rows.0.insert((repository(), digest), Arc::new(known));
        let held = rows.0.iter().map(|(_, known)| u64::from(known.weight())).sum::<u64>();
        assert!(number % 1000 != 0 || held <= CAPACITY + 512 * (OVERHEAD + SMALL), "{held} bytes");
    }
    rows.0.run_pending_tasks();
    assert!(rows.0.weighted_size() <= CAPACITY);
}
