//! The free-space floor: uploads end before the disk is full, so that the database can still be written.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::StatVfs;

use super::layout::failed;
use crate::domain::Clock;
use crate::storage::StorageError;

/// How long an answer of the file system serves.
const FRESH: Duration = Duration::from_secs(1);

/// The space left on the file system of a directory, above a floor.
pub(super) struct FreeSpace {
    directory: PathBuf,
    floor: u64,
    /// Whether the file system tells no sizes, as some that are made by programs do.
    unknown: bool,
    clock: Clock,
    seen: Mutex<Option<Seen>>,
}

/// The bytes free at a time, less what was written since.
struct Seen {
    free: u64,
    at: Instant,
}

impl FreeSpace {
    pub(super) fn new(directory: &Path, floor: u64, clock: Clock) -> Self {
        let unknown = rustix::fs::statvfs(directory).is_ok_and(|status| tells_no_size(&status));
        if unknown && floor > 0 {
            tracing::warn!(
                directory = %directory.display(),
                "this file system reports no size, so storage.min_free_space cannot be kept there: watch its space by other means, and set \
                 storage.min_free_space to 0 to say that you do"
            );
        }
        Self { directory: directory.to_owned(), floor, unknown, clock, seen: Mutex::new(None) }
    }

    /// Sets `bytes` aside to be written, if the floor allows. Without a floor the file system itself has the last word.
    pub(super) fn take(&self, bytes: u64) -> Result<(), StorageError> {
        if self.floor == 0 || self.unknown {
            return Ok(());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.clock.instant();
        let mut now = match seen.take() {
            Some(seen) if at.saturating_duration_since(seen.at) < FRESH => seen,
            _ => Seen { free: self.free()?, at },
        };
        let enough = now.free >= self.floor.saturating_add(bytes);
        if enough {
            now.free -= bytes;
        }
        let free = now.free;
        *seen = Some(now);
        if enough { Ok(()) } else { Err(self.full(free)) }
    }

    /// The bytes that may still be written, looked up now.
    pub(super) fn left(&self) -> Result<u64, StorageError> {
        if self.unknown {
            return Ok(u64::MAX);
        }
        Ok(self.free()?.saturating_sub(self.floor))
    }

    fn free(&self) -> Result<u64, StorageError> {
        let status = rustix::fs::statvfs(&self.directory)
            .map_err(|error| failed("asking for the free space of", &self.directory, error.into()))?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn full(&self, free: u64) -> StorageError {
        StorageError::Full(format!(
            "{} has {free} bytes free, and {} are kept free; free up space, or lower storage.min_free_space",
            self.directory.display(),
            self.floor
        ))
    }
}

/// A file system of no blocks at all has not said how many it has.
fn tells_no_size(status: &StatVfs) -> bool {
    status.f_blocks == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_counts_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = FreeSpace::new(folder.path(), 0, Clock::system()).free().expect("known");
        let space = FreeSpace::new(folder.path(), free / 2, Clock::system());
        assert!(space.take(free / 4).is_ok());
        assert!(matches!(space.take(free / 3), Err(StorageError::Full(_))));
        assert!(space.take(0).is_ok());
    }

    #[test]
    fn a_file_system_that_reports_no_size_has_no_floor() {
        let proc = Path::new("/proc");
        assert_eq!(rustix::fs::statvfs(proc).expect("mounted").f_blocks, 0, "this one tells none");
        let space = FreeSpace::new(proc, 1 << 30, Clock::system());
        assert!(space.take(1 << 20).is_ok());
        assert_eq!(space.left().expect("unknown is not full"), u64::MAX);
    }

    #[test]
    fn below_the_floor_nothing_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let space = FreeSpace::new(folder.path(), u64::MAX, Clock::system());
        assert!(matches!(space.take(0), Err(StorageError::Full(_))));
        assert_eq!(space.left().expect("known"), 0);
    }
}
