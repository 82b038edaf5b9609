//! The file of an upload session, on the blocking side: locked, cut to the length that counts, and written in one pass.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::cancel::CancelFlag;
use super::direct::Output;
use super::layout::{failed, sync_directory};
use crate::domain::{Algorithm, Digest, Hasher};
use crate::storage::StorageError;
use crate::storage::blobs::Staged;

/// How long to wait between two tries to lock a file that a dropped append still writes to, and how often to try.
const PAUSE: Duration = Duration::from_millis(2);
const TRIES: usize = 5_000;

/// The content of a session while bytes are appended.
pub(super) struct StagedFile {
    parts: Arc<Parts>,
    cancelled: CancelFlag,
    path: PathBuf,
    /// The length before this append: what a failed one leaves behind.
    start: u64,
    staged: Staged,
    output: Option<Output>,
}

impl StagedFile {
    /// Touches no file yet. What the session keeps of a small content is not part of the file.
    pub(super) fn new(parts: &Arc<Parts>, staged: Staged, cancelled: CancelFlag) -> Self {
        let path = parts.layout.upload(staged.area.upload);
        Self { parts: Arc::clone(parts), cancelled, path, start: staged.length, staged, output: None }
    }

    /// The state, if nothing is in a file: a small content is kept there.
    pub(super) fn without_file(&mut self) -> Option<&mut Staged> {
        (self.output.is_none() && self.start == 0).then_some(&mut self.staged)
    }

    /// Gives the state back.
    pub(super) fn into_staged(self) -> Staged {
        self.staged
    }

    /// The hash of what has been written, to be brought up to date by the one who writes.
    pub(super) fn hasher(&mut self) -> &mut Hasher {
        &mut self.staged.hasher
    }

    /// Writes; hashing is left to the caller. After an error the file has its former length again.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (parts, offset) = (Arc::clone(&self.parts), self.staged.length);
        let output = self.output()?;
        let written = parts.space.take(bytes.len() as u64).map(|()| output.write(bytes, offset, &parts.direct_writes));
        let written = written.and_then(|written| written.map_err(|error| failed("writing", &self.path, error)));
        if let Err(error) = written {
            self.undo();
            return Err(error);
        }
        self.staged.length += bytes.len() as u64;
        Ok(())
    }

    /// Ends the append. With `durable`, content, length and name survive power loss.
    pub(super) fn finish(mut self, durable: bool) -> Result<Staged, StorageError> {
        if self.output.is_none() && self.staged.length == 0 {
            // An empty content needs no file, but must not keep what an interrupted append left.
            return match fs::metadata(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.staged),
                _ => self.output().map(|_| ()).map(|()| self.staged),
            };
        }
        let file = Arc::clone(self.output()?.file());
        if durable {
            file.sync_data().map_err(|error| self.spoil(error))?;
            sync_directory(self.parts.layout.uploads())?;
        }
        Ok(self.staged)
    }

    /// The open file, for a sync while writing continues, once `limit` bytes wait in the page cache.
    pub(super) fn due_for_sync(&mut self, limit: u64) -> Option<Arc<File>> {
        self.output.as_mut()?.due_for_sync(limit)
    }

    /// A failed sync may have dropped what it failed to write: the content is given up, so that no later sync, which would
    /// succeed, makes it look whole.
    pub(super) fn spoil(&self, error: io::Error) -> StorageError {
        let _ = fs::remove_file(&self.path);
        failed("syncing", &self.path, error)
    }

    fn output(&mut self) -> Result<&mut Output, StorageError> {
        let output = match self.output.take() {
            Some(output) => output,
            None => Output::new(open(&self.path, self.start, &self.cancelled)?),
        };
        Ok(self.output.insert(output))
    }

    fn undo(&self) {
        let Some(output) = &self.output else { return };
        if let Err(error) = output.file().set_len(self.start) {
            tracing::warn!(path = %self.path.display(), %error, "an upload could not be cut back to its former length");
        }
    }
}

/// The file with exactly its first `length` bytes, created where these are none. No one else writes to it: a write that
/// continues though its request is gone holds the lock until it is done, and one that has not begun by then never does.
pub(super) fn open(path: &Path, length: u64, cancelled: &CancelFlag) -> Result<File, StorageError> {
    let file = open_locked(path, length)?;
    if cancelled.is_cancelled() {
        return Err(StorageError::BrokenBody("the request was dropped".to_owned()));
    }
    let present = file.metadata().map_err(|error| failed("looking at", path, error))?.len();
    if present < length {
        return Err(short(path, present, length));
    }
    if present > length {
        file.set_len(length).map_err(|error| failed("truncating", path, error))?;
    }
    Ok(file)
}

/// The file that has the name once the lock is held: meanwhile it may have been published or dropped.
fn open_locked(path: &Path, length: u64) -> Result<File, StorageError> {
    loop {
        let opened = OpenOptions::new().read(true).write(true).create(length == 0).mode(0o600).open(path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(short(path, 0, length)),
            opened => opened.map_err(|error| failed("opening", path, error))?,
        };
        lock(&file, path)?;
        let locked = file.metadata().map_err(|error| failed("looking at", path, error))?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => return Ok(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("looking at", path, error)),
            _ => {}
        }
    }
}

/// Waits for the lock. Runs on a blocking thread, which may sleep.
#[allow(clippy::disallowed_methods)]
fn lock(file: &File, path: &Path) -> Result<(), StorageError> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            locked => return locked.map_err(|error| failed("locking", path, error.into())),
        }
    }
    file.try_lock().map_err(|error| match error {
        // Passes once the disk has caught up.
        TryLockError::WouldBlock => StorageError::Busy(format!("{} is still being written", path.display())),
        TryLockError::Error(error) => failed("locking", path, error),
    })
}

fn short(path: &Path, present: u64, length: u64) -> StorageError {
    StorageError::Damaged(format!(
        "{} has {present} bytes instead of {length}: cancel the upload and start it again",
        path.display()
    ))
}

/// The digest of the first `length` bytes, read back.
pub(super) fn rehash(
    path: &Path,
    length: u64,
    algorithm: Algorithm,
    cancelled: &CancelFlag,
) -> Result<Digest, StorageError> {
    let mut hasher = Hasher::new(algorithm);
    if length > 0 {
        let file = open(path, length, cancelled)?;
        let mut buffer = vec![0; 256 * 1024];
        let mut offset = 0;
        while offset < length {
            let rest = usize::try_from(length - offset).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact_at(&mut buffer[..rest], offset).map_err(|error| failed("reading", path, error))?;
            hasher.update(&buffer[..rest]);
            offset += rest as u64;
        }
    }
    Ok(hasher.finish())
}
