//! Keys that no one else may read, and certificates that everyone may: written whole, read up to a limit, destroyed.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::atomic_file;
use super::key_mode::{require_not_public, require_private};
use crate::pki::error::PkiError;

/// A link that someone put where a file should be is not followed.
pub(crate) const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
/// No chain or key comes near this; a wrong path may lead to something endless.
const LIMIT: u64 = 256 * 1024;

/// Makes a directory, and those above it, for its owner alone. One that exists is left as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(PkiError::io("make the directory", path))
}

/// A directory held against other processes. Its holder must not ask for it a second time: the second would wait forever.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _directory: File,
}

/// Holds the directory against other processes that write keys, until the result is dropped.
pub(crate) fn lock_directory(path: &Path) -> Result<DirectoryLock, PkiError> {
    let directory = File::open(path).map_err(PkiError::io("open", path))?;
    directory.lock().map_err(PkiError::io("lock", path))?;
    Ok(DirectoryLock { _directory: directory })
}

/// Writes a private key: readable by its owner alone from its first byte on, whole or not at all.
pub(crate) fn write_key(path: &Path, pem: &[u8]) -> Result<(), PkiError> {
    atomic_file::write(path, pem, 0o600).map_err(PkiError::io("write", path))
}

/// Overwrites a key and removes it; of a link, only the link. File systems and disks that write elsewhere may keep a copy: what has left no trace was never
/// there.
pub(crate) fn destroy_key(path: &Path) -> Result<(), PkiError> {
    let overwrite = || {
        if path.symlink_metadata()?.is_symlink() {
            return std::fs::remove_file(path);
        }
        let mut file = OpenOptions::new().write(true).custom_flags(NO_FOLLOW).open(path)?;
        let length = usize::try_from(file.metadata()?.len().min(LIMIT)).unwrap_or_default();
        file.write_all(&vec![0; length])?;
        file.sync_all()?;
        std::fs::remove_file(path)
    };
    overwrite().map_err(PkiError::io("destroy", path))?;
    sync_directory(atomic_file::directory_of(path))
}

/// Removes a directory of keys, each overwritten first.
pub(crate) fn destroy_directory(path: &Path) -> Result<(), PkiError> {
    if path.symlink_metadata().map_err(PkiError::io("examine", path))?.is_symlink() {
        return remove_public(path);
    }
    for entry in path.read_dir().map_err(PkiError::io("list", path))? {
        destroy_key(&entry.map_err(PkiError::io("list", path))?.path())?;
    }
    std::fs::remove_dir(path).map_err(PkiError::io("remove", path))
}

/// Writes a public file, whole or not at all, with the same mode (0644) whatever the umask is.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), PkiError> {
    atomic_file::write(path, bytes, 0o644).map_err(PkiError::io("write", path))
}

/// Removes a public file, if it is there.
pub(crate) fn remove_public(path: &Path) -> Result<(), PkiError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PkiError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Reads a certificate file.
pub(crate) fn read_public(path: &Path) -> Result<Vec<u8>, PkiError> {
    let file = File::open(path).map_err(PkiError::io("read", path))?;
    Ok(std::mem::take(&mut *read_limited(&file, path)?))
}

/// Reads a private key at the operator's path. The mode that counts is the open file's, so a symbolic link hides nothing and cannot be swapped.
pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let file = File::open(path).map_err(PkiError::io("read", path))?;
    require_private(path, &file)?;
    read_limited(&file, path)
}

/// Reads a private key of the data directory.
pub(crate) fn read_kept_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let file = File::open(path).map_err(PkiError::io("read", path))?;
    require_not_public(path, &file)?;
    read_limited(&file, path)
}

/// Makes a rename or a new file in the directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), PkiError> {
    atomic_file::sync_directory(path).map_err(PkiError::io("sync", path))
}

fn read_limited(file: &File, path: &Path) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(PkiError::io("read", path))?;
    if bytes.len() as u64 > LIMIT {
        return Err(PkiError::TooLarge { path: path.to_owned(), limit: LIMIT });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn keys_are_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write_key(&path, b"one").unwrap();
        write_key(&path, b"two").unwrap();
        assert_eq!(read_key(&path).unwrap().as_slice(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn exposed_keys_are_refused_even_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a.key"), dir.path().join("link.key"));
        write_key(&path, b"secret").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_key(&link).is_ok());
        for mode in [0o604, 0o660, 0o602] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let text = read_key(&link).unwrap_err().to_string();
            assert!(text.contains("link.key") && text.contains(&format!("{mode:04o}")), "{text}");
            assert!(text.contains("chmod 600"), "{text}");
        }
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        write_key(&victim, b"secret").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        destroy_key(&link).unwrap();
        let inside = dir.path().join("inside");
        make_directory(&inside).unwrap();
        write_key(&inside.join("other"), b"secret").unwrap();
        std::os::unix::fs::symlink(&inside, &link).unwrap();
        destroy_directory(&link).unwrap();
        assert!(!link.is_symlink());
        assert_eq!(read_key(&victim).unwrap().as_slice(), b"secret");
        assert_eq!(read_key(&inside.join("other")).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn directories_are_private_and_endless_files_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        make_directory(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(matches!(read_public(Path::new("/dev/zero")), Err(PkiError::TooLarge { .. })));
    }
}
