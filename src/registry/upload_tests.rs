//! Upload sessions against real stores: two writers of one session, and two contents of one blob.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::domain::{Clock, Hasher};
use crate::registry::RegistrySettings;
use crate::storage::blobs::{BlobStore, disk};
use crate::storage::metadata::{Metadata, sqlite};

struct Stores {
    _folder: tempfile::TempDir,
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn BlobStore>,
}

impl Stores {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let metadata = sqlite::open(&folder.path().join("metadata.db"), Clock::system()).await.expect("opens");
        let blobs = disk::open(folder.path(), 0, Clock::system()).expect("opens");
        Self { _folder: folder, metadata, blobs }
    }

    /// A registry over these stores, as each node has one.
    fn node(&self) -> Arc<Registry> {
        let (metadata, blobs) = (Arc::clone(&self.metadata), Arc::clone(&self.blobs));
        Arc::new(Registry::new(metadata, blobs, RegistrySettings::default(), Clock::system()))
    }

    /// Stores a session without content.
    async fn begin(&self) -> UploadId {
        let id = UploadId::generate();
        let record = UploadRecord {
            id,
            repository: repository(),
            subject: "user:alice".to_owned(),
            owner: "user:alice".to_owned(),
            progress: UploadProgress::from(&Staged::empty(id, Algorithm::Sha256)),
            updated_at: Timestamp::now().as_second(),
        };
        assert!(self.metadata.create_upload(record, 10).await.expect("stored"));
        id
    }

    /// The key under which the repository's blob is stored.
    async fn key(&self, digest: &Digest) -> BlobKey {
        self.metadata.blob(&repository(), digest).await.expect("read").expect("linked").blob.key
    }

    /// Publishes the content under the key of its SHA-512, and records it by its SHA-256: as another backend's key would be.
    async fn push_under_another_key(&self, content: &'static [u8]) -> BlobKey {
        let staged = Staged::empty(UploadId::generate(), Algorithm::Sha512);
        let staged = self.blobs.append(staged, for_storage(body(content), None), false).await.expect("appended").staged;
        let key = self.blobs.publish(&staged, &staged.hasher.clone().finish()).await.expect("published");
        let blob = BlobRecord { digest: sha256(content), size: content.len() as u64, key: key.clone() };
        self.metadata.link_blob(&repository(), blob, None, Duration::from_hours(24)).await.expect("linked");
        key
    }

    async fn push(&self, content: &'static [u8]) {
        let session = resume(&self.node(), self.begin().await).await;
        session.commit(None, Some(body(content)), sha256(content)).await.expect("committed");
    }
}

fn repository() -> RepositoryName {
    "alice/app".parse().expect("a name")
}

fn sha256(content: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, content)
}

fn body(content: &'static [u8]) -> BodyStream {
    Box::pin(futures_util::stream::iter([Ok(content.into())]))
}

/// What [`Registry::resume_upload`] gives to those who have a permit.
async fn resume(node: &Arc<Registry>, id: UploadId) -> UploadSession {
    let record = node.metadata.upload(&repository(), "user:alice", id).await.expect("read").expect("there");
    UploadSession {
        registry: Arc::clone(node),
        staged: record.staged().expect("restored"),
        saved_area: record.staged().expect("restored").area,
        saved_length: record.progress.length,
        repository: record.repository,
        stored: true,
        _lock: node.sessions.acquire(id).await.expect("no one else in this node"),
        _turn: None,
    }
}

#[tokio::test]
async fn of_two_nodes_that_write_to_one_session_the_second_is_told_where_it_is() {
    let stores = Stores::open().await;
    let id = stores.begin().await;
    let (one, other) = (stores.node(), stores.node());
    let (first, second) = (resume(&one, id).await, resume(&other, id).await);
    drop(first.append(None, body(b"twelve bytes")).await.expect("appended"));
    match second.append(None, body(b"others")).await.map(drop) {
        Err(RegistryError::OffsetMismatch { expected: 12, offset: 0 }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(resume(&one, id).await.length(), 12, "the first one counts");
}

/// As a power cut does to a session that was opened just before it.
#[tokio::test]
async fn a_session_that_is_lost_before_its_first_byte_is_unknown_and_nothing_else() {
    let stores = Stores::open().await;
    let id = stores.begin().await;
    let session = resume(&stores.node(), id).await;
    assert!(stores.metadata.delete_upload(id).await.expect("lost"));
    let lost = session.append(None, body(b"never stored")).await.map(drop);
    assert!(matches!(lost, Err(RegistryError::UploadUnknown)), "{lost:?}");
    stores.push(b"pushed after that").await;
    assert_eq!(stores.key(&sha256(b"pushed after that")).await.0, sha256(b"pushed after that").to_string());
}

#[tokio::test]
async fn a_content_that_is_known_under_another_key_is_stored_once() {
    let stores = Stores::open().await;
    let known = stores.push_under_another_key(b"pushed twice").await;
    stores.push(b"pushed twice").await;
    let digest = sha256(b"pushed twice");
    assert_eq!(stores.key(&digest).await, known);
    assert_eq!(stores.blobs.length(&known).await.expect("read"), Some(12));
    let second = BlobKey(digest.to_string());
    assert_eq!(stores.blobs.length(&second).await.expect("read"), None, "the second content is removed");
}

#[tokio::test]
async fn a_content_that_is_lost_is_replaced_by_the_next_push() {
    let stores = Stores::open().await;
    let lost = stores.push_under_another_key(b"lost").await;
    stores.blobs.remove(&lost).await.expect("removed");
    stores.push(b"lost").await;
    let key = stores.key(&sha256(b"lost")).await;
    assert_ne!(key, lost);
    assert_eq!(stores.blobs.length(&key).await.expect("read"), Some(4));
}
