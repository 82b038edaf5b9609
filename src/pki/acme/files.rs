//! The ordered certificate in the data directory. A line above the chain says which authority it was ordered from.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::error::AcmeError;
use crate::pki::certificate;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{NO_FOLLOW, lock_directory, make_directory, read_public};
use crate::pki::identity::pair::Pair;
use crate::pki::identity::{Identity, Origin};
use crate::pki::{CertificateSummary, PkiError, SubjectName};

/// PEM readers pass over what stands before the first certificate (RFC 7468, section 2).
const MARK: &str = "Ordered from ";

/// The right to order, for as long as this lives: of several processes on one data directory, one orders at a time.
pub(super) struct OrderLock {
    _file: File,
}

impl OrderLock {
    /// `None` where another process has it.
    pub(super) fn take(data_dir: &Path) -> Result<Option<Self>, PkiError> {
        let paths = PkiPaths::new(data_dir);
        make_directory(&paths.serving_dir())?;
        let path = paths.acme_lock();
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW).open(&path);
        let file = file.map_err(PkiError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(PkiError::io("lock", path)(error)),
        }
    }
}

/// Checks the pair as it will be checked when it is served, and that it has all names, then puts it in its place.
pub(super) fn install(
    data_dir: &Path,
    directory: &str,
    names: &[SubjectName],
    chain_pem: &str,
    key_pem: &Zeroizing<Vec<u8>>,
    now: Timestamp,
) -> Result<CertificateSummary, AcmeError> {
    let paths = PkiPaths::new(data_dir);
    let (chain, key) = (paths.acme_chain(), paths.acme_key());
    let identity = Identity::from_pem((&chain, chain_pem.as_bytes()), (&key, key_pem), Origin::Acme, now)?;
    if let Some(missing) = names.iter().find(|name| !identity.summary().names.contains(&name.to_string())) {
        return Err(AcmeError::NameMissing { name: missing.to_string() });
    }
    let _lock = lock_directory(&paths.serving_dir())?;
    Pair::at(chain, key).write(format!("{MARK}{directory}\n{}", identity.chain_pem()).as_bytes(), key_pem, now)?;
    Ok(identity.summary().clone())
}

/// The certificate that was ordered from `directory`, for naming it as the one to be replaced.
pub(super) fn installed(data_dir: &Path, directory: &str) -> Option<CertificateDer<'static>> {
    let path = PkiPaths::new(data_dir).acme_chain();
    let chain = certificate::from_pem(&path, &read_public(&path).ok()?).ok()?;
    if issued_by(data_dir).as_deref() == Some(directory) { chain.into_iter().next() } else { None }
}

/// The directory that the certificate in `data_dir` was ordered from; `None` if there is none or it does not say.
pub(crate) fn issued_by(data_dir: &Path) -> Option<String> {
    let text = read_public(&PkiPaths::new(data_dir).acme_chain()).ok()?;
    let first = text.split(|byte| *byte == b'\n').next()?;
    Some(std::str::from_utf8(first).ok()?.strip_prefix(MARK)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_orders_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        let held = OrderLock::take(data.path()).unwrap();
        assert!(held.is_some() && OrderLock::take(data.path()).unwrap().is_none());
        drop(held);
        assert!(OrderLock::take(data.path()).unwrap().is_some());
    }

    #[test]
    fn only_a_whole_pair_with_all_names_is_installed() {
        let data = tempfile::tempdir().unwrap();
        let paths = PkiPaths::new(data.path());
        make_directory(&paths.serving_dir()).unwrap();
        let certified = rcgen::generate_simple_self_signed(["registry.test".to_owned()]).unwrap();
        let key = Zeroizing::new(certified.signing_key.serialize_pem().into_bytes());
        let install = |names: &[&str], key: &Zeroizing<Vec<u8>>| {
            let names: Vec<SubjectName> = names.iter().map(|name| name.parse().unwrap()).collect();
            install(data.path(), "https://ca.test/dir", &names, &certified.cert.pem(), key, Timestamp::now())
        };
        let other = Zeroizing::new(rcgen::KeyPair::generate().unwrap().serialize_pem().into_bytes());
        assert!(matches!(install(&["registry.test"], &other), Err(AcmeError::Tls(PkiError::KeyMismatch { .. }))));
        assert!(matches!(install(&["registry.test", "b.test"], &key), Err(AcmeError::NameMissing { .. })));
        assert!(!paths.acme_chain().exists() && issued_by(data.path()).is_none());
        install(&["registry.test"], &key).unwrap();
        assert_eq!(issued_by(data.path()).as_deref(), Some("https://ca.test/dir"));
        let loaded = Identity::load(&paths.acme_chain(), &paths.acme_key(), Origin::Acme, Timestamp::now()).unwrap();
        assert_eq!(loaded.summary().names, ["registry.test"]);
    }
}
