//! The files of the authority and of the served certificates as one set: read from a data directory, and put into one.
//!
//! Where nodes share them, the set is what they share, and each data directory holds a copy.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use zeroize::Zeroizing;

use super::atomic_file::temporary_next_to;
use super::paths::PkiPaths;
use super::private_file::{
    destroy_directory, destroy_key, lock_directory, make_directory, read_kept_key, read_public, remove_public,
    sync_directory, write_key, write_public,
};
use crate::pki::error::PkiError;

/// The directories that are kept, within the data directory.
const DIRECTORIES: [&str; 2] = ["ca", "tls"];

/// Contents by their names within the data directory, such as `ca/root.pem`.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct KeptFiles(BTreeMap<String, Zeroizing<Vec<u8>>>);

impl KeptFiles {
    /// All of a data directory; none where it has none. What is being written at this moment does not count.
    pub(crate) fn read(data_dir: &Path) -> Result<Self, PkiError> {
        let mut found = BTreeMap::new();
        for directory in DIRECTORIES {
            let path = data_dir.join(directory);
            let entries = match path.read_dir() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                entries => entries.map_err(PkiError::io("list", &path))?,
            };
            for entry in entries {
                let entry = entry.map_err(PkiError::io("list", &path))?.path();
                if let Some(name) = name_of(&entry) {
                    let name = format!("{directory}/{name}");
                    let content = if is_key(&name) { read_kept_key(&entry)? } else { read_public(&entry)?.into() };
                    found.insert(name, content);
                }
            }
        }
        Ok(Self(found))
    }

    /// Of contents by their names. `None` where a name is not one that is kept.
    pub(crate) fn new(contents: BTreeMap<String, Zeroizing<Vec<u8>>>) -> Option<Self> {
        let is_kept = |name: &String| {
            let (directory, file) = name.split_once('/').unwrap_or_default();
            DIRECTORIES.contains(&directory) && is_file_name(file)
        };
        contents.keys().all(is_kept).then_some(Self(contents))
    }

    /// The contents, by their names.
    pub(crate) fn contents(&self) -> &BTreeMap<String, Zeroizing<Vec<u8>>> {
        &self.0
    }

    /// The content of the root certificate's file.
    pub(crate) fn root_certificate(&self) -> Option<&[u8]> {
        self.0.get("ca/root.pem").map(|content| content.as_slice())
    }

    /// Writes them into a directory that has none of them, not durably: for a copy that is worked on and removed.
    pub(crate) fn write_copy(&self, data_dir: &Path) -> Result<(), PkiError> {
        DIRECTORIES.iter().try_for_each(|directory| make_directory(&data_dir.join(directory)))?;
        self.0.iter().try_for_each(|(name, content)| write_new(&data_dir.join(name), content))
    }

    /// Makes a data directory hold these files and no others, each whole, keys for their owner alone. Files that change together change in
    /// one step where the file system can. What goes is destroyed. Gives whether anything differed.
    pub(crate) fn install(&self, data_dir: &Path) -> Result<bool, PkiError> {
        let there = Self::read(data_dir)?;
        if there == *self {
            return Ok(false);
        }
        let authority = self.of("ca");
        if there.of("ca") != authority {
            install_authority(data_dir, &authority)?;
        }
        let serving = PkiPaths::new(data_dir).serving_dir();
        make_directory(&serving)?;
        let _lock = lock_directory(&serving)?;
        for (name, content) in self.of("tls") {
            if there.0.get(name) != Some(content) {
                write(&data_dir.join(name), content)?;
            }
        }
        for name in there.of("tls").keys().filter(|name| !self.0.contains_key(**name)) {
            remove(&data_dir.join(name))?;
        }
        Ok(true)
    }

    fn of(&self, directory: &str) -> BTreeMap<&str, &Zeroizing<Vec<u8>>> {
        let files = self.0.iter().filter(|(name, _)| name.split('/').next() == Some(directory));
        files.map(|(name, content)| (name.as_str(), content)).collect()
    }
}

impl std::fmt::Debug for KeptFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The whole directory, so that no one sees a root with the key of another.
fn install_authority(data_dir: &Path, files: &BTreeMap<&str, &Zeroizing<Vec<u8>>>) -> Result<(), PkiError> {
    let directory = PkiPaths::new(data_dir).authority_dir();
    let _lock = lock_directory(data_dir)?;
    let staging = temporary_next_to(&directory);
    make_directory(&staging)?;
    let within = |directory: &Path, name: &str| directory.join(name.rsplit('/').next().unwrap_or_default());
    files.iter().try_for_each(|(name, content)| write(&within(&staging, name), content))?;
    if !directory.exists() {
        fs::rename(&staging, &directory).map_err(PkiError::io("make", &directory))?;
        return sync_directory(data_dir);
    }
    if renameat_with(CWD, &staging, CWD, &directory, RenameFlags::EXCHANGE).is_err() {
        // The file system cannot do it in one step.
        files.iter().try_for_each(|(name, content)| write(&within(&directory, name), content))?;
        let is_wanted = |path: &PathBuf| files.keys().any(|name| within(&directory, name) == *path);
        for entry in directory.read_dir().map_err(PkiError::io("list", &directory))? {
            let path = entry.map_err(PkiError::io("list", &directory))?.path();
            if !is_wanted(&path) {
                remove(&path)?;
            }
        }
    }
    sync_directory(data_dir)?;
    destroy_directory(&staging)
}

fn write(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    if is_key(&path.to_string_lossy()) { write_key(path, content) } else { write_public(path, content) }
}

fn write_new(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content)).map_err(PkiError::io("write", path))
}

fn remove(path: &Path) -> Result<(), PkiError> {
    if is_key(&path.to_string_lossy()) { destroy_key(path) } else { remove_public(path) }
}

/// Whether a file holds a private key, encrypted or not.
fn is_key(name: &str) -> bool {
    let name = Path::new(name.strip_suffix(".sealed").unwrap_or(name));
    name.extension().is_some_and(|extension| extension == "key")
}

/// The name of a regular file that is kept: no lock, and nothing that is being written.
fn name_of(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    (is_file && is_file_name(name) && path.extension().is_none_or(|extension| extension != "lock")).then_some(name)
}

fn is_file_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn files(contents: &[(&str, &str)]) -> KeptFiles {
        let contents = contents.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec().into()));
        KeptFiles::new(contents.collect()).expect("names that are kept")
    }

    #[test]
    fn a_directory_holds_what_was_installed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let one = files(&[("ca/root.pem", "r"), ("ca/root.key", "k"), ("tls/leaf.pem", "l"), ("tls/leaf.key", "m")]);
        assert!(one.install(dir.path()).unwrap());
        assert!(!one.install(dir.path()).unwrap(), "nothing differs");
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode("ca/root.key"), mode("ca/root.pem"), mode("tls/leaf.key")), (0o600, 0o644, 0o600));
        fs::write(dir.path().join("tls/acme.lock"), "").unwrap();
        fs::write(dir.path().join("tls/.leaf.key.0123456789abcdef.tmp"), "").unwrap();
        let two = files(&[("ca/root.pem", "R"), ("ca/root.key.sealed", "s"), ("tls/leaf.pem", "l")]);
        assert!(two.install(dir.path()).unwrap());
        assert_eq!(KeptFiles::read(dir.path()).unwrap(), two);
        assert!(dir.path().join("tls/acme.lock").exists(), "a lock belongs to no copy");
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(format!("{two:?}"), r#"{"ca/root.key.sealed", "ca/root.pem", "tls/leaf.pem"}"#);
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for name in ["ca/../x", "/etc/x", "ca", "ca/", "ca/.x", "keys/seal.key", "ca/a/b", "x/root.pem"] {
            assert!(KeptFiles::new([(name.to_owned(), Vec::new().into())].into()).is_none(), "{name}");
        }
    }
}
