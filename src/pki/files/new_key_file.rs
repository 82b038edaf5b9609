//! A new file outside of the data directory that a key is to be moved into: made first, for root may give up the right to make it
//! before the key is read.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::private_file::sync_directory;
use crate::pki::error::PkiError;

/// An empty file for its owner alone. Unless a key is written to it, it is removed again.
#[derive(Debug)]
pub(crate) struct NewKeyFile {
    path: PathBuf,
    file: File,
    directory: File,
    written: bool,
}

impl NewKeyFile {
    /// Makes the file. One that exists is refused, and so is a place in the data directory: what is there is destroyed together with
    /// the keys of the authority.
    pub(crate) fn create(data_dir: &Path, path: &Path) -> Result<Self, PkiError> {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let real = |path: &Path| path.canonicalize().map_err(PkiError::io("look into", path));
        if real(directory)?.starts_with(real(data_dir)?) {
            return Err(PkiError::NotAway { path: path.to_owned() });
        }
        sync_directory(directory)?;
        let opened = File::open(directory).map_err(PkiError::io("open", directory))?;
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => PkiError::FileExists { path: path.to_owned() },
            _ => PkiError::io("make the new file", path)(error),
        })?;
        let made = Self { path: path.to_owned(), file, directory: opened, written: false };
        made.file.set_permissions(Permissions::from_mode(0o600)).map_err(PkiError::io("make the new file", path))?;
        Ok(made)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the key, makes it durable, and reads it back.
    pub(crate) fn write(&mut self, pem: &[u8]) -> Result<(), PkiError> {
        let mut back = Zeroizing::new(Vec::with_capacity(pem.len()));
        let kept = self
            .file
            .write_all(pem)
            .and_then(|()| self.file.sync_all())
            .and_then(|()| self.directory.sync_all())
            .and_then(|()| self.file.rewind())
            .and_then(|()| Read::by_ref(&mut self.file).take(pem.len() as u64 + 1).read_to_end(&mut back));
        kept.map_err(PkiError::io("write", &self.path))?;
        if **back != *pem {
            let reason = "it reads back otherwise".to_owned();
            return Err(PkiError::Pem { path: self.path.clone(), what: "key", reason });
        }
        self.written = true;
        Ok(())
    }
}

impl Drop for NewKeyFile {
    fn drop(&mut self) {
        if !self.written {
            // A process that gave up the rights of root may not be able to remove it; then it is empty.
            let _ = self.file.set_len(0);
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
