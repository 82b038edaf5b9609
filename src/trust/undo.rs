//! How the files of a host were before a plan changed them, so that a plan that fails leaves nothing.

use std::path::{Path, PathBuf};

use super::error::TrustError;
use super::file;

/// What was there before, in the order of the changes.
#[derive(Default)]
pub(super) struct Undo {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    directories: Vec<PathBuf>,
}

impl Undo {
    /// Before the file at this path of the process is written or removed.
    pub(super) fn remember(&mut self, path: &Path) -> Result<(), TrustError> {
        self.files.push((path.to_owned(), file::read(path)?));
        self.directories.extend(file::missing_directories(path.parent().unwrap_or(Path::new("/"))));
        Ok(())
    }

    /// The error that led here is the one to report; what cannot be undone is named by the manifest where that stays.
    pub(super) fn run(self) {
        for (path, before) in self.files.iter().rev() {
            let _ = match before {
                Some(bytes) => file::write(path, bytes),
                None => file::remove(path),
            };
        }
        for directory in self.directories.iter().rev() {
            let _ = file::remove_empty_directory(directory);
        }
    }
}
