//! A copy of the shared files that a change, or a command, works on: in a directory of its own, which is gone afterwards with its keys.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::pki::files::private_file::{destroy_directory, make_directory};
use crate::pki::{KeptFiles, PkiError};

/// What the directories of copies are called. One that no process holds was left by one that was killed.
const PREFIX: &str = ".copy.";
const NEW: &str = ".new-copy.";
/// The file in them that their process holds; the directory itself is held by those who change the authority in it.
const HELD: &str = "held";

/// A directory with the shared files.
#[derive(Debug)]
pub(crate) struct WorkingCopy {
    path: PathBuf,
    _held: File,
}

impl WorkingCopy {
    /// Within this data directory, which exists.
    pub(crate) fn make(data_dir: &Path, files: &KeptFiles) -> Result<Self, PkiError> {
        remove_abandoned(data_dir);
        let number = rand::random::<u64>();
        let (new, path) =
            (data_dir.join(format!("{NEW}{number:016x}")), data_dir.join(format!("{PREFIX}{number:016x}")));
        make_directory(&new)?;
        // Held before it has the name by which others see that it is not.
        let held = File::create_new(new.join(HELD)).and_then(|file| file.lock().map(|()| file));
        let held = held.map_err(PkiError::io("lock", new.join(HELD)))?;
        fs::rename(&new, &path).map_err(PkiError::io("make the directory", &path))?;
        let copy = Self { path, _held: held };
        files.write_copy(&copy.path)?;
        Ok(copy)
    }

    /// Where it is: a data directory in itself, as far as certificates go.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it has now.
    pub(crate) fn files(&self) -> Result<KeptFiles, PkiError> {
        KeptFiles::read(&self.path)
    }
}

impl Drop for WorkingCopy {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Copies of processes that were killed.
fn remove_abandoned(data_dir: &Path) {
    for entry in data_dir.read_dir().into_iter().flatten().flatten() {
        let is_copy = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_copy && is_directory && File::open(entry.path().join(HELD)).is_ok_and(|file| file.try_lock().is_ok()) {
            remove(&entry.path());
        }
    }
}

fn remove(path: &Path) {
    let within = path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let removed = within.filter(|entry| entry.is_dir()).try_for_each(|directory| destroy_directory(&directory));
    let removed = removed.and_then(|()| fs::remove_dir_all(path).map_err(PkiError::io("remove", path)));
    if let Err(error) = removed {
        tracing::warn!(%error, "a working copy of the certificates could not be removed; the next start tries again");
    }
}
