//! Contents, bodies, names and records to test with.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use portcullis::domain::{
    Algorithm, Clock, Digest, Hasher, Precondition, RepositoryName, Tag, TagProtection, UploadId,
};
use portcullis::storage::StorageError;
use portcullis::storage::blobs::{self, BlobKey, BlobStore, ByteStream, Staged};
use portcullis::storage::metadata::{self, BlobRecord, Cause, Change, Metadata, NewManifest, PutOutcome};

/// How long a blob is leased.
pub const LEASE: Duration = Duration::from_hours(24);

/// `length` bytes that look random and are the same every time.
pub fn content(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

pub fn name(text: &str) -> RepositoryName {
    text.parse().expect("a repository name")
}

/// A body of chunks of `size` bytes.
pub fn body(content: &Bytes, size: usize) -> ByteStream {
    let content = content.clone();
    let starts = (0..content.len()).step_by(size.max(1));
    Box::pin(stream::iter(starts).map(move |start| Ok(content.slice(start..content.len().min(start + size)))))
}

pub fn empty() -> ByteStream {
    Box::pin(stream::empty())
}

/// `content`, and then an error.
pub fn broken(content: &Bytes, size: usize) -> ByteStream {
    let error = || Err(StorageError::BrokenBody("the client went away".to_owned()));
    Box::pin(body(content, size).chain(stream::once(async move { error() })))
}

/// `content`, and then nothing more, without an end.
pub fn stalled(content: &Bytes, size: usize) -> ByteStream {
    Box::pin(body(content, size).chain(stream::pending()))
}

pub fn fresh() -> Staged {
    Staged::empty(UploadId::generate(), Algorithm::Sha256)
}

/// Uploads and publishes.
pub async fn push(store: &dyn BlobStore, content: &Bytes) -> Result<(Digest, BlobKey), StorageError> {
    let appended = store.append(fresh(), body(content, 16 * 1024), false).await?;
    let digest = appended.staged.hasher.clone().finish();
    let key = store.publish(&appended.staged, &digest).await?;
    Ok((digest, key))
}

pub async fn drain(stream: ByteStream) -> Result<Vec<u8>, StorageError> {
    stream
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
}

pub fn disk(root: &Path) -> Arc<dyn BlobStore> {
    blobs::disk::open(root, 0, Clock::system()).expect("the store opens")
}

pub async fn sqlite(root: &Path) -> Arc<dyn Metadata> {
    metadata::sqlite::open(&root.join("metadata.db"), Clock::system()).await.expect("the database opens")
}

/// The type of every manifest here.
pub const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

pub fn manifest(text: &str, tags: &[&str]) -> NewManifest {
    NewManifest {
        digest: sha256(text.as_bytes()),
        media_type: OCI.parse().expect("valid"),
        content: text.to_owned().into(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: Vec::new(),
        children: Vec::new(),
        may_be_sparse: false,
        tags: tags.iter().map(|text| tag(text)).collect(),
        precondition: Precondition::Always,
    }
}

pub fn blob(seed: u64, size: usize) -> BlobRecord {
    let digest = sha256(&content(size, seed));
    BlobRecord { key: BlobKey(digest.to_string()), digest, size: size as u64 }
}

pub fn tag(text: &str) -> Tag {
    text.parse().expect("a tag")
}

/// A push by alice.
pub fn change() -> Change {
    Change {
        by: "user:alice".to_owned(),
        cause: Cause::Push,
        keep: Duration::ZERO,
        protection: TagProtection::default(),
    }
}

/// A deletion past the trash.
pub fn at_once() -> Change {
    deletion(Duration::ZERO)
}

/// A deletion that can be undone for this long.
pub fn deletion(keep: Duration) -> Change {
    Change { by: "user:bob".to_owned(), cause: Cause::Delete, keep, protection: TagProtection::default() }
}

pub async fn put(store: &dyn Metadata, repository: &str, manifest: NewManifest) -> PutOutcome {
    store.put_manifest(&name(repository), manifest, LEASE, &change()).await.expect("put")
}

pub async fn link(store: &dyn Metadata, repository: &str, blob: &BlobRecord) {
    store.link_blob(&name(repository), blob.clone(), None, LEASE).await.expect("linked");
}

pub async fn tag_target(store: &dyn Metadata, repository: &str, text: &str) -> Option<Digest> {
    store.manifest_by_tag(&name(repository), &tag(text)).await.expect("read").map(|found| found.digest)
}

/// A file system of its own, in memory, unmounted when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this process may not mount, which fails in CI.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    pub fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "portcullis-test"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            assert!(std::env::var_os("CI").is_none(), "a test with a full disk needs the right to mount one");
            eprintln!("left out: a test with a full disk needs the right to mount one");
        }
        mounted.then_some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
