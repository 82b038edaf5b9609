//! The root key put away: under a passphrase, or off this host. Leaves are signed by the issuing key and go on meanwhile.
//!
//! The key is written to its new place, read back and compared before it goes from the old one, so that a crash leaves it in both.

use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::super::error::TlsError;
use super::super::paths::TlsPaths;
use super::super::private_file::{destroy_key, lock_directory, read_key, read_public, write_key, write_new_key};
use super::files::{check_pair, parse_key_pair, read_certificate, read_key_pair, sweep};
use super::sealed_key::{decrypt, encrypt, is_encrypted};

/// Puts the root key under a passphrase. Returns where it lies then.
pub fn seal_root_key(data_dir: &Path, passphrase: &str) -> Result<PathBuf, TlsError> {
    let paths = TlsPaths::new(data_dir);
    let _lock = lock_directory(data_dir)?;
    sweep(&paths)?;
    let (sealed, plain) = (paths.sealed_root_key(), read_plain(&paths)?);
    write_key(&sealed, encrypt(&plain, passphrase)?.as_bytes())?;
    verify(&paths, &sealed, Some(passphrase))?;
    destroy_key(&paths.root_key())?;
    Ok(sealed)
}

/// Moves the root key to a new file, off this host: encrypted where there is a passphrase, else as it is. A sealed key is moved as
/// it is. A place in the data directory is refused: what lies there is destroyed together with the keys of the authority.
pub fn move_root_key(data_dir: &Path, to: &Path, passphrase: Option<&str>) -> Result<(), TlsError> {
    let paths = TlsPaths::new(data_dir);
    let _lock = lock_directory(data_dir)?;
    sweep(&paths)?;
    require_away(data_dir, to)?;
    let sealed = paths.sealed_root_key();
    if !paths.root_key().exists() && sealed.exists() {
        let pem = read_key(&sealed)?;
        write_new_key(to, &pem)?;
        if *read_public(to)? != **pem {
            return Err(TlsError::Pem {
                path: to.to_owned(),
                what: "sealed key",
                reason: "it reads back otherwise".to_owned(),
            });
        }
        return destroy_key(&sealed);
    }
    let plain = read_plain(&paths)?;
    match passphrase {
        Some(passphrase) => write_new_key(to, encrypt(&plain, passphrase)?.as_bytes())?,
        None => write_new_key(to, &plain)?,
    }
    verify(&paths, to, passphrase)?;
    destroy_key(&paths.root_key())?;
    if sealed.exists() { destroy_key(&sealed) } else { Ok(()) }
}

/// A root key that was put away.
#[derive(Debug)]
pub struct StoredRootKey {
    paths: TlsPaths,
    path: PathBuf,
    pem: Zeroizing<Vec<u8>>,
}

impl StoredRootKey {
    /// The sealed key of the data directory, or the one in a file elsewhere. `None` where the key is in its place already; a sealed
    /// copy beside it, left by an interrupted command, is removed.
    pub fn find(data_dir: &Path, from: Option<&Path>) -> Result<Option<Self>, TlsError> {
        let paths = TlsPaths::new(data_dir);
        let sealed = paths.sealed_root_key();
        if paths.root_key().exists() {
            let _lock = lock_directory(data_dir)?;
            check_root(&paths, &paths.root_key(), &read_key(&paths.root_key())?)?;
            if sealed.exists() {
                destroy_key(&sealed)?;
            }
            return Ok(None);
        }
        let path = from.map_or_else(|| sealed.clone(), Path::to_owned);
        let pem = match read_public(&path) {
            Err(error) if error.is_missing() && from.is_none() => return Err(TlsError::NoSealedKey { path }),
            pem => Zeroizing::new(pem?),
        };
        // What is encrypted may lie open; a plain key that others can read is refused.
        let pem = if is_encrypted(&pem) { pem } else { read_key(&path)? };
        Ok(Some(Self { paths, path, pem }))
    }

    /// Whether it opens by a passphrase alone.
    pub fn needs_passphrase(&self) -> bool {
        is_encrypted(&self.pem)
    }

    /// Puts the key back into its place. What was sealed there goes; a file elsewhere stays.
    pub fn restore(self, passphrase: &str) -> Result<(), TlsError> {
        let plain = if self.needs_passphrase() {
            Zeroizing::new(decrypt(&self.path, &self.pem, passphrase)?.as_bytes().to_vec())
        } else {
            self.pem
        };
        let _lock = lock_directory(self.paths.data_dir())?;
        sweep(&self.paths)?;
        check_root(&self.paths, &self.path, &plain)?;
        write_key(&self.paths.root_key(), &plain)?;
        check_root(&self.paths, &self.paths.root_key(), &read_key(&self.paths.root_key())?)?;
        let sealed = self.paths.sealed_root_key();
        if sealed.exists() { destroy_key(&sealed) } else { Ok(()) }
    }
}

/// That a file would lie outside of the data directory, whatever links lead there.
fn require_away(data_dir: &Path, to: &Path) -> Result<(), TlsError> {
    let directory = to.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = |path: &Path| path.canonicalize().map_err(TlsError::io("look into", path));
    if real(directory)?.starts_with(real(data_dir)?) {
        return Err(TlsError::NotAway { path: to.to_owned() });
    }
    Ok(())
}

/// The root key in its place, which must be the root certificate's.
fn read_plain(paths: &TlsPaths) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let path = paths.root_key();
    if !path.exists() {
        let place = if paths.sealed_root_key().exists() { "it is sealed already" } else { "it was moved elsewhere" };
        return Err(TlsError::RootKeyAway { place, hint: "" });
    }
    let pem = read_key(&path)?;
    check_root(paths, &path, &pem)?;
    Ok(pem)
}

/// That what was written opens, and is the root key.
fn verify(paths: &TlsPaths, written: &Path, passphrase: Option<&str>) -> Result<(), TlsError> {
    if let Some(passphrase) = passphrase {
        return check_root(paths, written, decrypt(written, &read_public(written)?, passphrase)?.as_bytes());
    }
    let (path, root) = root(paths)?;
    check_pair(&path, &root, written, &read_key_pair(written)?)
}

fn check_root(paths: &TlsPaths, key_path: &Path, pem: &[u8]) -> Result<(), TlsError> {
    let (path, root) = root(paths)?;
    check_pair(&path, &root, key_path, &parse_key_pair(key_path, pem)?)
}

fn root(paths: &TlsPaths) -> Result<(PathBuf, CertificateDer<'static>), TlsError> {
    let path = paths.root_certificate();
    let root = read_certificate(&path)?;
    Ok((path, root))
}
