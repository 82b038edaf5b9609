//! Whether a file has changed since it was read last, told without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::paths::PkiPaths;

/// Device, inode, size, modification and change time; nothing where the file cannot be examined. Follows links, so swapping a link
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp(Option<(u64, u64, u64, [i64; 4])>);

impl FileStamp {
    /// Of a file whose changes do not count.
    pub(crate) const NONE: Self = Self(None);

    /// As it is now.
    pub(crate) fn of(path: &Path) -> Self {
        let state = |meta: fs::Metadata| {
            (meta.dev(), meta.ino(), meta.size(), [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()])
        };
        Self(fs::metadata(path).ok().map(state))
    }
}

/// The state of an authority's files, compared to see a rotation, a new issuing certificate, or a root key put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorityStamp([FileStamp; 5]);

impl AuthorityStamp {
    /// Of the authority in the data directory.
    pub(crate) fn of(data_dir: &Path) -> Self {
        let paths = PkiPaths::new(data_dir);
        let files = [
            paths.root_certificate(),
            paths.root_key(),
            paths.sealed_root_key(),
            paths.issuing_certificate(),
            paths.cross_certificate(),
        ];
        Self(files.map(|path| FileStamp::of(&path)))
    }
}
