//! Files that are read in pieces stay open for a moment, because the next request often wants the same one: ranges of a layer, or the
//! config that everyone pulls. What is open is used only while its name is still there, so that a content that was removed or replaced is
//! noticed at once; and all are closed together after a moment, so that the space of what was removed is free again.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::layout::failed;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// How many files stay open at most. (The server keeps descriptors in reserve.)
const MOST: u64 = 64;
/// The same as a part of the process's limit.
const PART: u64 = 16;
/// How long, at most.
const MOMENT: Duration = Duration::from_secs(2);

/// The files that are open at the moment.
#[derive(Clone)]
pub(super) struct OpenFiles {
    most: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<BlobKey, Arc<OpenFile>>,
    /// Whether the end of the moment is awaited.
    closing: bool,
}

/// A file that is open for reading.
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl OpenFiles {
    pub(super) fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self { most: usize::try_from(MOST.min(limit / PART)).unwrap_or_default(), kept: Arc::default() }
    }

    /// The file, where it is open and still the one with its name; and its length.
    pub(super) fn get(&self, key: &BlobKey) -> Option<(Arc<OpenFile>, u64)> {
        let known = self.kept().files.get(key).map(Arc::clone)?;
        if let Ok((length, true)) = known.status() {
            return Some((known, length));
        }
        self.forget(key);
        None
    }

    /// Keeps the file open for a moment.
    pub(super) fn keep(&self, key: BlobKey, file: Arc<OpenFile>) {
        let mut kept = self.kept();
        if kept.files.len() >= self.most {
            kept.files.clear();
        }
        kept.files.insert(key, file);
        if !kept.closing {
            kept.closing = true;
            tokio::spawn(self.clone().close_later());
        }
    }

    /// Closes the file once no one reads it any more.
    pub(super) fn forget(&self, key: &BlobKey) {
        self.kept().files.remove(key);
    }

    async fn close_later(self) {
        tokio::time::sleep(MOMENT).await;
        let over = std::mem::take(&mut *self.kept());
        // Closing a file that was removed gives its space back, which takes time.
        let _ = tokio::task::spawn_blocking(move || drop(over)).await;
    }

    /// Every change is complete in itself, so a panic elsewhere leaves the map sound.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenFile {
    /// Opens a file, which may wait for the disk.
    pub(super) fn open(path: PathBuf) -> Result<Self, StorageError> {
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(not_opened(&path, error)),
        }
    }

    /// Opens a file that the kernel need not ask the disk for; `None` where it would, or cannot tell.
    pub(super) fn open_known(path: &Path) -> Result<Option<Self>, StorageError> {
        match open_without_waiting(path, OFlags::RDONLY) {
            Some(Ok(file)) => Ok(Some(Self { file, path: path.to_owned() })),
            Some(Err(error)) => Err(not_opened(path, error.into())),
            None => Ok(None),
        }
    }

    /// Its length, and whether it still has a name.
    pub(super) fn status(&self) -> Result<(u64, bool), StorageError> {
        let found = fstat(&self.file).map_err(|error| failed("looking at", &self.path, error.into()))?;
        Ok((u64::try_from(found.st_size).unwrap_or_default(), found.st_nlink > 0))
    }
}

/// The length of a file, `None` where it is missing; pending where the kernel would have to ask the disk.
pub(super) fn known_length(path: &Path) -> Poll<Option<u64>> {
    match open_without_waiting(path, OFlags::PATH) {
        Some(Ok(file)) => fstat(file).map_or(Poll::Pending, |found| Poll::Ready(u64::try_from(found.st_size).ok())),
        Some(Err(Errno::NOENT)) => Poll::Ready(None),
        Some(Err(_)) | None => Poll::Pending,
    }
}

/// `None` where it cannot be told without waiting, or the kernel or what surrounds the process does not know how.
fn open_without_waiting(path: &Path, mode: OFlags) -> Option<Result<File, Errno>> {
    match openat2(CWD, path, mode | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::CACHED) {
        Ok(descriptor) => Some(Ok(File::from(descriptor))),
        Err(Errno::AGAIN | Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG | Errno::INTR) => None,
        Err(error) => Some(Err(error)),
    }
}

fn not_opened(path: &Path, error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::NotFound {
        return StorageError::Damaged(format!("the blob {} is missing", path.display()));
    }
    failed("opening", path, error)
}
