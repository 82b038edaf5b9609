//! Files that are written whole or not at all, whatever happens to the process or the machine. Blobs are published by the storage in a
//! way of their own: they are staged on the same disk long before, and must never replace what is there.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Writes the file with exactly this mode, in place of what has its name. It is durable afterwards.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = write_temporary(path, bytes, mode)?;
    if let Err(error) = std::fs::rename(&temporary, path) {
        // The error above is the one to report; a leftover is harmless and has the wanted mode.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(directory_of(path))
}

/// Writes a file to its last byte next to the one that it is to replace by a rename. Returns where.
pub(crate) fn write_temporary(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let temporary = temporary_next_to(path);
    match write_new(&temporary, bytes, mode) {
        Ok(()) => Ok(temporary),
        Err(error) => {
            // The error above is the one to report; a leftover is harmless and has the wanted mode.
            let _ = std::fs::remove_file(&temporary);
            Err(error)
        }
    }
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The umask took bits away; the mode is the same for everyone who runs this.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename or a new file in the directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|directory| directory.sync_all())
}

/// The directory that holds the file.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A hidden name in the same directory that no other writer uses.
pub(crate) fn temporary_next_to(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(Default::default, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!(".{name}.{:016x}.tmp", rand::random::<u64>()))
}

/// Whether the name is one that [`temporary_next_to`] makes for `stem`.
pub(crate) fn is_temporary(name: &str, stem: &str) -> bool {
    let random =
        name.strip_prefix('.').and_then(|rest| rest.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(".tmp"));
    random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
