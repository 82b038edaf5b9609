//! Who may read a private key, by the mode and the owner of its file.
//!
//! The rule is that of PostgreSQL's clients: a key is for its owner alone; one that belongs to root may be readable by a group too,
//! for that is how Kubernetes, systemd and Debian's `ssl-cert` hand keys to a service.

use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use crate::pki::error::PkiError;

/// Read or write by group or others.
const EXPOSED: u32 = 0o066;
/// The same of a file that belongs to root: its group may read.
const EXPOSED_OF_ROOT: u32 = 0o026;
/// Read or write by others.
const OPEN_TO_ALL: u32 = 0o006;

/// What is wrong with the mode of a key at the operator's path, and what fixes it; `None` where it is in order, or cannot be
/// read.
pub(crate) fn key_exposure(path: &Path) -> Option<PkiError> {
    let meta = std::fs::metadata(path).ok()?;
    is_exposed(&meta).then(|| exposed(path, &meta))
}

/// Refuses an open key file that others may read.
pub(crate) fn require_private(path: &Path, file: &File) -> Result<(), PkiError> {
    let meta = file.metadata().map_err(PkiError::io("examine", path))?;
    if is_exposed(&meta) { Err(exposed(path, &meta)) } else { Ok(()) }
}

/// The same for a key that this program has made and keeps. What an orchestrator has given to a group (`fsGroup` does) is read, and
/// left to [`restrict_kept_key`]; what everyone can read may have been read, and is refused.
pub(crate) fn require_not_public(path: &Path, file: &File) -> Result<(), PkiError> {
    let meta = file.metadata().map_err(PkiError::io("examine", path))?;
    if meta.mode() & OPEN_TO_ALL == 0 { Ok(()) } else { Err(exposed(path, &meta)) }
}

/// Takes a key of the data directory back from a group that an orchestrator has given it to, and says so. A key that is missing, or
/// that everyone can read, is left for its reader to refuse.
pub(crate) fn restrict_kept_key(path: &Path) -> Result<(), PkiError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(PkiError::io("read", path))?,
    };
    let meta = file.metadata().map_err(PkiError::io("examine", path))?;
    let mode = meta.mode() & 0o7777;
    if mode & EXPOSED == 0 || mode & OPEN_TO_ALL != 0 {
        return Ok(());
    }
    if file.set_permissions(Permissions::from_mode(0o600)).is_err() {
        return if is_exposed(&meta) { Err(exposed(path, &meta)) } else { Ok(()) };
    }
    tracing::warn!(
        path = %path.display(),
        "a private key in the data directory had mode {mode:04o}, which lets its group read or write it; it has 0600 now"
    );
    Ok(())
}

fn is_exposed(meta: &Metadata) -> bool {
    let forbidden = if meta.uid() == 0 { EXPOSED_OF_ROOT } else { EXPOSED };
    meta.mode() & forbidden != 0
}

fn exposed(path: &Path, meta: &Metadata) -> PkiError {
    PkiError::KeyExposed { path: path.to_owned(), mode: meta.mode() & 0o7777, advice: advice(path, meta.uid()) }
}

/// What this process, or its operator, can do about it.
fn advice(path: &Path, owner: u32) -> String {
    let shown = path.display();
    let me = rustix::process::geteuid();
    if rustix::fs::statvfs(path).is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return "its file system is read-only, so set the mode where the file comes from: Kubernetes takes `defaultMode: 0440` with \
                `securityContext.fsGroup`, Compose and Swarm take `mode: 0400` with the `uid` of this process"
            .to_owned();
    }
    if me.is_root() || me.as_raw() == owner {
        return format!("run: chmod 600 {shown}");
    }
    format!("it belongs to the user {owner}; as root run: chown {} {shown} && chmod 600 {shown}", me.as_raw())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;
    use crate::pki::files::private_file::{read_kept_key, read_key, write_key};

    fn key(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write_key(&path, b"secret").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    /// Only root can give files away.
    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn a_group_may_read_what_belongs_to_root() {
        if !is_root() {
            return;
        }
        for good in [0o400, 0o440, 0o600, 0o640] {
            let (_dir, path) = key(good);
            assert!(read_key(&path).is_ok() && key_exposure(&path).is_none(), "{good:04o}");
        }
        for bad in [0o644, 0o660, 0o444, 0o620, 0o602] {
            let (_dir, path) = key(bad);
            let text = read_key(&path).unwrap_err().to_string();
            assert!(text.contains(&format!("{bad:04o}")) && text.contains("chmod 600"), "{text}");
            assert_eq!(key_exposure(&path).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_belongs_to_another_is_for_its_owner_alone() {
        if !is_root() {
            return;
        }
        for (bits, good) in [(0o600, true), (0o400, true), (0o640, false), (0o440, false), (0o604, false)] {
            let (_dir, path) = key(bits);
            chown(&path, Some(12345), Some(12345)).unwrap();
            assert_eq!(read_key(&path).is_ok(), good, "{bits:04o}");
        }
    }

    #[test]
    fn a_kept_key_that_was_given_to_a_group_is_read_as_it_is_and_restricted_when_asked() {
        for changed in [0o640, 0o660, 0o620] {
            let (_dir, path) = key(changed);
            assert_eq!(read_kept_key(&path).unwrap().as_slice(), b"secret");
            assert_eq!(mode(&path), changed, "reading changes nothing");
            restrict_kept_key(&path).unwrap();
            assert_eq!(mode(&path), 0o600, "{changed:04o}");
        }
        for open in [0o604, 0o666, 0o602] {
            let (_dir, path) = key(open);
            restrict_kept_key(&path).unwrap();
            assert!(matches!(read_kept_key(&path), Err(PkiError::KeyExposed { .. })), "{open:04o}");
            assert_eq!(mode(&path), open, "what everyone could read is not hidden again");
        }
        let missing = key(0o600).1;
        restrict_kept_key(&missing).unwrap();
    }

    #[test]
    fn the_advice_is_for_who_reads_it() {
        let (_dir, path) = key(0o600);
        assert!(advice(&path, rustix::process::geteuid().as_raw()).starts_with("run: chmod 600"));
        assert!(advice(Path::new("/proc/self/status"), 0).contains("chmod") || !is_root());
    }
}
