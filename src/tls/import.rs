//! `cert import`: the operator's certificate takes the place of ours.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::certificate::CertificateSummary;
use super::error::TlsError;
use super::identity::{Identity, Origin};
use super::pair::Pair;
use super::paths::TlsPaths;
use super::private_file::{lock_directory, make_directory, read_key, read_public, sync_directory};

/// Copies a chain and its key into the data directory after the checks of [`Identity::load`]. A running server serves it
/// within a second.
pub fn import(data_dir: &Path, chain: &Path, key: &Path) -> Result<CertificateSummary, TlsError> {
    let (chain_pem, key_pem) = (read_public(chain)?, read_key(key)?);
    let identity = Identity::from_pem((chain, &chain_pem), (key, &key_pem), Origin::Imported, Timestamp::now())?;
    let paths = TlsPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    Pair::at(paths.imported_chain(), paths.imported_key()).write(&chain_pem, &key_pem)?;
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
