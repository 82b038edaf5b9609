//! Files and directories on the client's host: written whole with the mode that tools need, whatever the umask is.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::TrustError;
use super::host::Host;
use crate::pki::files::atomic_file::{self, is_temporary};

/// No CA, manifest or configuration comes near this; a path may lead to something endless.
pub(crate) const LIMIT: u64 = 1024 * 1024;

/// What a file holds; `None` if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, TrustError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TrustError::io("read", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(TrustError::io("read", path))?;
    Ok(Some(bytes))
}

/// Writes a file that everyone may read, whole or not at all. Its directory must be there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TrustError> {
    atomic_file::write(path, bytes, 0o644).map_err(TrustError::io("write", path))
}

/// The directories that [`make_directories`] would make, from the top down.
pub(crate) fn missing_directories(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = path.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// The directories of the host, by its own paths, that are not there yet and lead to `directory`; from the top down.
pub(crate) fn missing_on(host: &Host, directory: &Path) -> Vec<PathBuf> {
    let missing = directory.ancestors().take_while(|dir| !host.real(dir).exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Makes a directory and those above it, for everyone to enter. One that exists is left as it is.
pub(crate) fn make_directories(path: &Path) -> Result<(), TrustError> {
    for directory in missing_directories(path) {
        match fs::create_dir(&directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(TrustError::io("make the directory", &directory)(error)),
        }
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(&directory, open).map_err(TrustError::io("make the directory", &directory))?;
    }
    Ok(())
}

/// What killed commands have left next to a file: halves of it that were to take its place.
pub(crate) fn temporaries(path: &Path) -> Vec<PathBuf> {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let stem = name(path);
    let entries = path.parent().and_then(|directory| fs::read_dir(directory).ok()).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|entry| is_temporary(&name(entry), &stem)).collect()
}

/// Removes them. No one else may be writing the file.
pub(crate) fn remove_temporaries(path: &Path) -> Result<(), TrustError> {
    temporaries(path).iter().try_for_each(|path| remove(path))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), TrustError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TrustError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a directory if it is empty; says whether it is gone.
pub(crate) fn remove_empty_directory(path: &Path) -> Result<bool, TrustError> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(true),
            io::ErrorKind::DirectoryNotEmpty => Ok(false),
            _ => Err(TrustError::io("remove the directory", path)(error)),
        },
    }
}
