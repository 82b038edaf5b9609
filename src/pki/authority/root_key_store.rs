//! The root key put away: under a passphrase, or off this host. Leaves are signed by the issuing key, so they continue to be renewed.
//!
//! The key is written to its new place, read back and compared before it goes from the old one, so that a crash leaves it in both.

use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::encrypted_key::{decrypt, encrypt};
use super::files::{check_pair, parse_key_pair, read_certificate, sweep};
use crate::pki::certificate::private_key::is_encrypted;
use crate::pki::error::PkiError;
use crate::pki::files::new_key_file::NewKeyFile;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{destroy_key, lock_directory, read_kept_key, read_key, read_public, write_key};

/// Puts the root key under a passphrase. Returns where it is stored then.
pub(crate) fn seal_root_key(data_dir: &Path, passphrase: &str) -> Result<PathBuf, PkiError> {
    let paths = PkiPaths::new(data_dir);
    let _lock = lock_directory(data_dir)?;
    sweep(&paths)?;
    let (sealed, plain) = (paths.sealed_root_key(), read_plain(&paths)?);
    write_key(&sealed, encrypt(&plain, passphrase)?.as_bytes())?;
    check_root(&paths, &sealed, decrypt(&sealed, &read_public(&sealed)?, passphrase)?.as_bytes())?;
    destroy_key(&paths.root_key())?;
    Ok(sealed)
}

/// Moves the root key into a new file, off this host: encrypted if there is a passphrase, else as it is. A sealed key is moved as
/// it is. A place in the data directory is refused: what is stored there is destroyed together with the keys of the authority.
pub(crate) fn move_root_key(data_dir: &Path, mut to: NewKeyFile, passphrase: Option<&str>) -> Result<(), PkiError> {
    let paths = PkiPaths::new(data_dir);
    let _lock = lock_directory(data_dir)?;
    sweep(&paths)?;
    let sealed = paths.sealed_root_key();
    if !paths.root_key().exists() && sealed.exists() {
        to.write(&read_kept_key(&sealed)?)?;
        return destroy_key(&sealed);
    }
    let plain = read_plain(&paths)?;
    match passphrase {
        Some(passphrase) => {
            let sealed = encrypt(&plain, passphrase)?;
            check_root(&paths, to.path(), decrypt(to.path(), sealed.as_bytes(), passphrase)?.as_bytes())?;
            to.write(sealed.as_bytes())?;
        }
        None => to.write(&plain)?,
    }
    destroy_key(&paths.root_key())?;
    if sealed.exists() { destroy_key(&sealed) } else { Ok(()) }
}

/// A root key that was put away.
#[derive(Debug, Clone)]
pub(crate) struct StoredRootKey {
    paths: PkiPaths,
    path: PathBuf,
    pem: Zeroizing<Vec<u8>>,
}

impl StoredRootKey {
    /// The sealed key of the data directory, or the one in a file elsewhere. `None` where the key is in its place already; a sealed
    /// copy next to it, left by an interrupted command, is removed.
    pub(crate) fn find(data_dir: &Path, from: Option<Self>) -> Result<Option<Self>, PkiError> {
        let paths = PkiPaths::new(data_dir);
        let sealed = paths.sealed_root_key();
        if paths.root_key().exists() {
            let _lock = lock_directory(data_dir)?;
            check_root(&paths, &paths.root_key(), &read_kept_key(&paths.root_key())?)?;
            if sealed.exists() {
                destroy_key(&sealed)?;
            }
            return Ok(None);
        }
        if let Some(from) = from {
            return Ok(Some(Self { paths, ..from }));
        }
        match Self::read(data_dir, &sealed) {
            Err(error) if error.is_missing() => Err(PkiError::NoSealedKey { path: sealed }),
            found => found.map(Some),
        }
    }

    /// Reads it from a file. What is encrypted may be open to others; a plain key that others can read is refused.
    pub(crate) fn read(data_dir: &Path, path: &Path) -> Result<Self, PkiError> {
        let pem = Zeroizing::new(read_public(path)?);
        let pem = if is_encrypted(&pem) { pem } else { read_key(path)? };
        Ok(Self { paths: PkiPaths::new(data_dir), path: path.to_owned(), pem })
    }

    /// Whether it opens by a passphrase alone.
    pub(crate) fn needs_passphrase(&self) -> bool {
        is_encrypted(&self.pem)
    }

    /// Puts the key back into its place. What was sealed there goes; a file elsewhere stays.
    pub(crate) fn restore(self, passphrase: &str) -> Result<(), PkiError> {
        let plain = if self.needs_passphrase() {
            Zeroizing::new(decrypt(&self.path, &self.pem, passphrase)?.as_bytes().to_vec())
        } else {
            self.pem
        };
        let _lock = lock_directory(self.paths.data_dir())?;
        sweep(&self.paths)?;
        check_root(&self.paths, &self.path, &plain)?;
        write_key(&self.paths.root_key(), &plain)?;
        check_root(&self.paths, &self.paths.root_key(), &read_kept_key(&self.paths.root_key())?)?;
        let sealed = self.paths.sealed_root_key();
        if sealed.exists() { destroy_key(&sealed) } else { Ok(()) }
    }
}

/// The root key in its place, which must be the root certificate's.
fn read_plain(paths: &PkiPaths) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let path = paths.root_key();
    if !path.exists() {
        let place = if paths.sealed_root_key().exists() { "it is sealed already" } else { "it was moved elsewhere" };
        return Err(PkiError::RootKeyAway { place, hint: "" });
    }
    let pem = read_kept_key(&path)?;
    check_root(paths, &path, &pem)?;
    Ok(pem)
}

fn check_root(paths: &PkiPaths, key_path: &Path, pem: &[u8]) -> Result<(), PkiError> {
    let (path, root) = root(paths)?;
    check_pair(&path, &root, key_path, &parse_key_pair(key_path, pem)?)
}

fn root(paths: &PkiPaths) -> Result<(PathBuf, CertificateDer<'static>), PkiError> {
    let path = paths.root_certificate();
    let root = read_certificate(&path)?;
    Ok((path, root))
}
