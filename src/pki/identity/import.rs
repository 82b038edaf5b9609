//! `cert import`: the operator's certificate is served instead of ours.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::pair::Pair;
use super::{Identity, Origin};
use crate::pki::certificate;
use crate::pki::certificate::pem::certificate_to_pem;
use crate::pki::error::PkiError;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{lock_directory, make_directory, read_key, read_public, write_public};

/// A chain and its key, read from the operator's files, which may be closed to the owner of the data directory.
pub(crate) struct OperatorFiles {
    chain: (PathBuf, Vec<u8>),
    key: (PathBuf, Zeroizing<Vec<u8>>),
}

impl OperatorFiles {
    /// Reads them. They may be one and the same file.
    pub(crate) fn read(chain: &Path, key: &Path) -> Result<Self, PkiError> {
        Ok(Self { chain: (chain.to_owned(), read_public(chain)?), key: (key.to_owned(), read_key(key)?) })
    }
}

impl std::fmt::Debug for OperatorFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorFiles").field("chain", &self.chain.0).finish_non_exhaustive()
    }
}

/// Copies a chain and its key into the data directory after the checks of [`Identity::load`]; of the chain's file the certificates
/// alone, for anyone may read them there. A running server serves it within a second.
pub(crate) fn import(data_dir: &Path, files: &OperatorFiles, now: Timestamp) -> Result<Identity, PkiError> {
    let OperatorFiles { chain: (chain, chain_pem), key: (key, key_pem) } = files;
    let identity = Identity::from_pem((chain, chain_pem), (key, key_pem), Origin::Imported, now)?;
    let paths = PkiPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    Pair::at(paths.imported_chain(), paths.imported_key()).write(identity.chain_pem().as_bytes(), key_pem, now)?;
    Ok(identity)
}

/// Takes a private key out of the imported chain's file, which anyone may read: earlier versions copied the operator's file as it was.
/// The directory must be locked.
pub(crate) fn remove_key_from_chain(paths: &PkiPaths) -> Result<(), PkiError> {
    let path = paths.imported_chain();
    let pem = match read_public(&path) {
        Err(error) if error.is_missing() => return Ok(()),
        pem => pem?,
    };
    // What is wrong with it is told when it is to be served.
    let Ok(bundle) = certificate::bundle(&path, &pem) else { return Ok(()) };
    if !bundle.has_key {
        return Ok(());
    }
    let chain: String = bundle.certificates.iter().map(|der| certificate_to_pem(der)).collect();
    write_public(&path, chain.as_bytes())?;
    tracing::warn!(
        path = %path.display(),
        "the file of the imported certificate held the private key too, where every user of this machine may have read it; the key was \
         removed from that file: have the certificate issued again with a new key"
    );
    Ok(())
}
