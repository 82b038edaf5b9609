//! `cert import`: the operator's certificate takes the place of ours.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::certificate::CertificateSummary;
use super::error::TlsError;
use super::identity::{Identity, Origin};
use super::paths::TlsPaths;
use super::private_file::{
    lock_directory, make_directory, read_key, read_public, sync_directory, write_key, write_public,
};

/// Copies a chain and its key into the data directory after the checks of [`Identity::load`]. A running server serves it
/// within a second. The key goes first: the chain's presence is what makes the pair count.
pub fn import(data_dir: &Path, chain: &Path, key: &Path) -> Result<CertificateSummary, TlsError> {
    let (chain_pem, key_pem) = (read_public(chain)?, read_key(key)?);
    let identity = Identity::from_pem((chain, &chain_pem), (key, &key_pem), Origin::Imported, Timestamp::now())?;
    let paths = TlsPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    write_key(&paths.imported_key(), &key_pem)?;
    write_public(&paths.imported_chain(), &chain_pem)?;
    Ok(identity.summary().clone())
}

/// Goes back to our own certificate. Says whether there was an imported one.
pub fn remove_import(data_dir: &Path) -> Result<bool, TlsError> {
    let paths = TlsPaths::new(data_dir);
    if !paths.imported_chain().exists() {
        return Ok(false);
    }
    let _lock = lock_directory(&paths.serving_dir())?;
    for path in [paths.imported_chain(), paths.imported_key()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(TlsError::io("remove", path)(error));
            }
            _ => {}
        }
    }
    sync_directory(&paths.serving_dir())?;
    Ok(true)
}
