//! Where files are stored, and that their names survive power loss.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::domain::{Algorithm, Digest, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// The directories of a store.
pub(super) struct Layout {
    blobs: PathBuf,
    uploads: PathBuf,
    quarantine: PathBuf,
}

impl Layout {
    /// Creates every directory (mode 0700) that is missing; all are durable when this returns, so that publishing need not care.
    pub(super) fn create(root: &Path) -> Result<Self, StorageError> {
        let (blobs, uploads) = (root.join("blobs"), root.join("uploads"));
        let layout = Self { blobs, uploads, quarantine: root.join("quarantine") };
        create_directories(root)?;
        create_directories(&layout.uploads)?;
        let common = layout.blobs.join(Algorithm::Sha256.as_str());
        create_directories(&common)?;
        for shard in 0..=u8::MAX {
            create_directory(&common.join(format!("{shard:02x}")))?;
        }
        // The shards of this one, which is rare, are made when they are needed.
        create_directories(&layout.blobs.join(Algorithm::Sha512.as_str()))?;
        for directory in [&common, &layout.blobs, root] {
            sync_directory(directory)?;
        }
        Ok(layout)
    }

    /// The staging area of a session.
    pub(super) fn upload(&self, upload: UploadId) -> PathBuf {
        self.uploads.join(upload.to_string())
    }

    /// The directory of all staging areas.
    pub(super) fn uploads(&self) -> &Path {
        &self.uploads
    }

    /// The first `limit` sessions after `after`, by name, whose staging area was last written to before `before`, in seconds since the
    /// Unix epoch. However many there are, no more than these are in memory.
    pub(super) fn staged_before(
        &self,
        before: i64,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<BTreeSet<UploadId>, StorageError> {
        let failed = |error| StorageError::io(format!("reading {}", self.uploads.display()), error);
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&self.uploads).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(upload) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let is_of_page = after.is_none_or(|after| upload > after)
                && (found.len() < limit || found.last().is_some_and(|last| upload < *last));
            match entry.metadata() {
                Ok(metadata) if is_of_page && metadata.mtime() < before => {
                    found.insert(upload);
                    if found.len() > limit {
                        found.pop_last();
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(found)
    }

    /// A mark of the store.
    pub(super) fn mark(&self, id: Uuid) -> PathBuf {
        self.blobs.join("instance").join(id.to_string())
    }

    /// The directory of contents that were found to be damaged; made when it is needed.
    pub(super) fn quarantine(&self) -> &Path {
        &self.quarantine
    }

    /// The directory of contents whose digests begin with these two digits.
    pub(super) fn shard(&self, algorithm: Algorithm, digits: &str) -> PathBuf {
        self.blobs.join(algorithm.as_str()).join(digits)
    }

    /// The bond with a database.
    pub(super) fn bond(&self) -> PathBuf {
        self.blobs.join("instance").join("bond")
    }

    /// Where the content of `digest` is published, and under which key.
    pub(super) fn published(&self, digest: &Digest) -> (BlobKey, PathBuf) {
        (BlobKey(digest.to_string()), self.path(digest))
    }

    /// The file of a key from the database.
    pub(super) fn blob(&self, key: &BlobKey) -> Result<PathBuf, StorageError> {
        Ok(self.path(&self.digest(key)?))
    }

    /// The digest that is a key from the database.
    #[allow(clippy::unused_self, reason = "what a key means is the layout's to say")]
    pub(super) fn digest(&self, key: &BlobKey) -> Result<Digest, StorageError> {
        key.0.parse().map_err(|error| {
            StorageError::Damaged(format!("'{}' is not a key of a blob on disk ({error})", key.0.escape_debug()))
        })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.shard(digest.algorithm(), digest.hex().get(..2).unwrap_or_default()).join(digest.hex())
    }
}

/// Creates the directory of `path`.
pub(super) fn create_parent(path: &Path) -> Result<(), StorageError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    create_directories(parent)?;
    parent.parent().map_or(Ok(()), sync_directory)
}

/// Makes the name of a published file durable, and that of its shard where it may be a new one.
pub(super) fn sync_name(path: &Path, digest: &Digest) -> Result<(), StorageError> {
    let Some(shard) = path.parent() else { return Ok(()) };
    sync_directory(shard)?;
    match shard.parent() {
        Some(parent) if digest.algorithm() != Algorithm::Sha256 => sync_directory(parent),
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), StorageError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| failed("syncing the directory", path, error))
}

/// Removes a file; that it is not there is not an error.
pub(super) fn remove(path: &Path) -> Result<(), StorageError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", path, error)),
        _ => Ok(()),
    }
}

/// The length of a file in bytes, where it exists.
pub(super) fn length(path: &Path) -> Result<Option<u64>, StorageError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("looking at", path, error)),
    }
}

/// What failed, with which file.
pub(super) fn failed(doing: &str, path: &Path, error: io::Error) -> StorageError {
    StorageError::io(format!("{doing} {}", path.display()), error)
}

fn create_directory(path: &Path) -> Result<(), StorageError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("creating the directory", path, error))
        }
        _ => Ok(()),
    }
}

fn create_directories(path: &Path) -> Result<(), StorageError> {
    let created = DirBuilder::new().mode(0o700).recursive(true).create(path);
    created.map_err(|error| failed("creating the directory", path, error))
}
