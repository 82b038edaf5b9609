//! Copies of the database that were made before its schema was changed: for a while, an operator can return to one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::storage::StorageError;

/// How long a copy is kept.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// More than the copy itself, so that the database can be written afterwards.
const SPARE: u64 = 16 << 20;
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The copies next to one database, in a directory of their own.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseCopies {
    folder: PathBuf,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseCopy {
    pub(crate) path: PathBuf,
    /// The schema that it has.
    pub(crate) schema: i64,
    pub(crate) made_at: Timestamp,
    pub(crate) bytes: u64,
}

impl DatabaseCopy {
    /// When it is removed.
    pub(crate) fn kept_until(&self) -> Timestamp {
        self.made_at.saturating_add(KEPT).unwrap_or(self.made_at)
    }
}

/// A copy under way.
pub(super) struct NewCopy {
    temporary: PathBuf,
    path: PathBuf,
}

impl DatabaseCopies {
    /// Those of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        Self { folder: path.with_extension("copies") }
    }

    /// What is there, oldest first.
    pub(crate) fn list(&self) -> Result<Vec<DatabaseCopy>, StorageError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| failed("reading", &self.folder, error))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed("reading", &self.folder, error))?;
            let Some((schema, made_at)) = entry.file_name().to_str().and_then(parse) else { continue };
            let bytes = entry.metadata().map_err(|error| failed("examining", &entry.path(), error))?.len();
            found.push(DatabaseCopy { path: entry.path(), schema, made_at, bytes });
        }
        found.sort_by_key(|copy| (copy.made_at, copy.schema));
        Ok(found)
    }

    /// Removes those that have been kept for long enough, and what a crash left of others. Returns how many copies.
    pub(crate) fn remove_old(&self, now: Timestamp) -> Result<usize, StorageError> {
        let old: Vec<DatabaseCopy> = self.list()?.into_iter().filter(|copy| copy.kept_until() < now).collect();
        for copy in &old {
            remove(&copy.path)?;
        }
        for left in self.unfinished(now)? {
            remove(&left)?;
        }
        // Only an empty directory can be removed; else it is needed.
        let _ = fs::remove_dir(&self.folder);
        Ok(old.len())
    }

    /// Copies that were begun so long ago that no process is still writing them.
    fn unfinished(&self, now: Timestamp) -> Result<Vec<PathBuf>, StorageError> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed("reading", &self.folder, error))?;
            let is_temporary = entry.file_name().to_string_lossy().starts_with("new-");
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
            if is_temporary && modified.is_some_and(|modified| now.duration_since(modified).as_hours() >= 24) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// Refuses where the disk has no room for another `database`; else makes an empty private file for the copy to be written to.
    pub(super) fn prepare(&self, schema: i64, now: Timestamp, database: &Path) -> Result<NewCopy, StorageError> {
        let needed = fs::metadata(database).map_err(|error| failed("examining", database, error))?.len() + SPARE;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| failed("creating", &self.folder, error))?;
        let status = rustix::fs::statvfs(&self.folder);
        let status = status.map_err(|error| failed("asking for the free space of", &self.folder, error.into()))?;
        let free = status.f_bavail.saturating_mul(status.f_frsize);
        if status.f_blocks > 0 && free < needed {
            return Err(StorageError::Full(format!(
                "{} has {free} bytes free, but {needed} are needed to copy the database aside before its schema is changed: free up space",
                self.folder.display()
            )));
        }
        let temporary = self.folder.join(format!("new-{}", Uuid::new_v4()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        file.map_err(|error| failed("creating", &temporary, error))?;
        let path = self.folder.join(format!("schema-{schema}-{}.db", now.strftime(TIME)));
        Ok(NewCopy { temporary, path })
    }
}

impl NewCopy {
    /// Where the copy is to be written.
    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Makes it durable and gives it its name.
    pub(super) fn keep(self) -> Result<PathBuf, StorageError> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let kept = File::open(&self.temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .and_then(|()| File::open(folder)?.sync_all());
        kept.map_err(|error| failed("keeping", &self.path, error))?;
        Ok(self.path)
    }
}

/// The schema and the time in the name of a copy.
fn parse(name: &str) -> Option<(i64, Timestamp)> {
    let (schema, time) = name.strip_prefix("schema-")?.strip_suffix(".db")?.split_once('-')?;
    let time = jiff::civil::DateTime::strptime(TIME, time).ok()?;
    Some((schema.parse().ok()?, jiff::tz::Offset::UTC.to_timestamp(time).ok()?))
}

fn remove(path: &Path) -> Result<(), StorageError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", path, error)),
        _ => Ok(()),
    }
}

fn failed(doing: &str, path: &Path, error: io::Error) -> StorageError {
    StorageError::io(format!("{doing} {}", path.display()), error)
}
