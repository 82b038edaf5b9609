//! One `trust` or `untrust` at a time: each reads the manifests, decides, and writes, and none may see what another has half done.
//!
//! The lock is a file that only its owner can open, next to the install records, so that no one else can block root by holding it. It goes
//! when the turn is over, and with it the directories that were made for it and have stayed empty.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::TrustError;
use super::file;
use super::host::{Host, InstallScope};

/// The name of the lock's file.
pub(super) const LOCK: &str = ".lock";
/// The longest that another command is waited for.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// The right to change what is trusted, until it is dropped.
#[derive(Debug)]
pub(super) struct ExclusiveLock {
    host: Host,
    path: PathBuf,
    made: Vec<PathBuf>,
    _file: File,
}

impl ExclusiveLock {
    /// Waits for those that came before.
    // A command of its own, whose thread serves no one else.
    #[allow(clippy::disallowed_methods)]
    pub(super) fn take(host: &Host, scope: &InstallScope) -> Result<Self, TrustError> {
        let manifests = scope.manifests();
        let made = file::missing_on(host, &manifests);
        let path = host.real(&manifests.join(LOCK));
        let end = Instant::now() + LIMIT;
        loop {
            file::make_directories(&host.real(&manifests))?;
            if let Some(file) = try_take(&path)? {
                return Ok(Self { host: host.clone(), path, made, _file: file });
            }
            if Instant::now() >= end {
                return Err(TrustError::Busy { path, seconds: LIMIT.as_secs() });
            }
            thread::sleep(POLL);
        }
    }

    /// The directories that were made for it, from the top down.
    pub(super) fn made(&self) -> &[PathBuf] {
        &self.made
    }

    /// Removes a directory too, if it is empty when the lock is released; nested directories first.
    pub(super) fn remove_at_end(&mut self, directory: &Path) {
        if !self.made.iter().any(|made| made == directory) {
            self.made.push(directory.to_owned());
        }
    }
}

impl Drop for ExclusiveLock {
    /// What cannot be removed is empty and harmless.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let manifests = self.path.parent().map(Path::to_owned);
        for directory in manifests.into_iter().chain(self.made.iter().rev().map(|made| self.host.real(made))) {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// `None` where another has it. The file counts only as long as it is the one that has this name: who held it before removes it.
fn try_take(path: &Path) -> Result<Option<File>, TrustError> {
    let file = match OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path) {
        Ok(file) => file,
        // Its directory went with the one that held it before.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TrustError::io("write", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(TrustError::io("lock", path)(error)),
    }
    let locked = file.metadata().map_err(TrustError::io("examine", path))?.ino();
    Ok(fs::metadata(path).is_ok_and(|named| named.ino() == locked).then_some(file))
}
