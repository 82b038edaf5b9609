//! Which certificate is served: the configured files, else the imported one, else our own.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use jiff::Timestamp;

use super::authority::Authority;
use super::error::TlsError;
use super::identity::{Identity, Origin};
use super::leaf::{ensure_leaf, renew_leaf};
use super::paths::TlsPaths;
use super::subject_name::SubjectName;

/// Where the server finds its certificate, now and after each change.
#[derive(Debug, Clone)]
pub struct IdentitySource {
    paths: TlsPaths,
    names: Vec<SubjectName>,
    given: Option<(PathBuf, PathBuf)>,
}

/// The state of a pair of files, compared to see a change. Follows links, so swapping a link counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    origin: Origin,
    chain: FileState,
    key: FileState,
}

/// Device, inode, size, modification and change time; `None` where the file cannot be examined.
pub(super) type FileState = Option<(u64, u64, u64, [i64; 4])>;

impl IdentitySource {
    /// The data directory's certificate: the imported one while there is one, else our own for `names`.
    pub fn data_directory(data_dir: impl Into<PathBuf>, names: Vec<SubjectName>) -> Self {
        Self { paths: TlsPaths::new(data_dir), names, given: None }
    }

    /// A chain and key at the operator's own paths.
    pub fn files(data_dir: impl Into<PathBuf>, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { paths: TlsPaths::new(data_dir), names: Vec::new(), given: Some((chain.into(), key.into())) }
    }

    /// What to serve at the start: our own certificate is issued or renewed first where that is due.
    pub fn prepare(&self) -> Result<Identity, TlsError> {
        if self.origin() == Origin::Own {
            let mut authority = Authority::load(self.paths.data_dir())?;
            ensure_leaf(self.paths.data_dir(), &mut authority, &self.names)?;
        }
        self.load()
    }

    /// Reads what is there now, and makes nothing.
    pub fn load(&self) -> Result<Identity, TlsError> {
        let (origin, chain, key) = self.select();
        Identity::load(&chain, &key, origin, Timestamp::now())
    }

    /// Makes our own certificate anew.
    pub(super) fn renew(&self) -> Result<Identity, TlsError> {
        let mut authority = Authority::load(self.paths.data_dir())?;
        renew_leaf(self.paths.data_dir(), &mut authority, &self.names)?;
        self.load()
    }

    pub(super) fn signature(&self) -> Signature {
        let (origin, chain, key) = self.select();
        Signature { origin, chain: state(&chain), key: state(&key) }
    }

    fn origin(&self) -> Origin {
        self.select().0
    }

    fn select(&self) -> (Origin, PathBuf, PathBuf) {
        match &self.given {
            Some((chain, key)) => (Origin::Given, chain.clone(), key.clone()),
            None if is_present(self.paths.imported_chain()) => {
                (Origin::Imported, self.paths.imported_chain(), self.paths.imported_key())
            }
            None => (Origin::Own, self.paths.leaf_chain(), self.paths.leaf_key()),
        }
    }
}

/// Only "not found" means absent: an unreadable import must not fall back to another certificate silently.
fn is_present(path: PathBuf) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

pub(super) fn state(path: &PathBuf) -> FileState {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()]))
}
