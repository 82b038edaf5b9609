//! A certificate chain with its key, checked before anything is served with it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::bridge::Bridge;
use super::certificate::{self, CertificateSummary};
use super::chain;
use super::error::TlsError;
use super::pem::pem_fault;
use super::private_file::{read_key, read_public};

/// Where a served certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Signed by the data directory's own authority; renewed by us.
    Own,
    /// Copied into the data directory by `cert import`; renewed by the operator.
    Imported,
    /// Ordered from a public authority by ACME; renewed by us.
    Acme,
    /// At paths that the configuration names; renewed by the operator or his tools.
    Given,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own => "own authority",
            Self::Imported => "imported",
            Self::Acme => "ACME",
            Self::Given => "configured files",
        })
    }
}

/// A chain and key that fit each other, in time and in order.
#[derive(Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    summary: CertificateSummary,
    origin: Origin,
    bridge: Option<Bridge>,
}

impl Identity {
    /// Loads a chain (PEM, the server's certificate first) and its key (PEM, unencrypted, for its owner alone), and checks
    /// that they may be served at `now`.
    pub fn load(chain: &Path, key: &Path, origin: Origin, now: Timestamp) -> Result<Self, TlsError> {
        let (chain_pem, key_pem) = (read_public(chain)?, read_key(key)?);
        Self::from_pem((chain, &chain_pem), (key, &key_pem), origin, now)
    }

    /// As [`Identity::load`], of bytes that were read already; the paths are named in errors.
    pub(super) fn from_pem(
        (chain_path, chain_pem): (&Path, &[u8]),
        (key_path, key_pem): (&Path, &Zeroizing<Vec<u8>>),
        origin: Origin,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let chain = certificate::from_pem(chain_path, chain_pem)?;
        let key = parse_key(key_path, key_pem)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(TlsError::KeyMismatch { certificate: chain_path.to_owned(), key: key_path.to_owned() });
            }
            Err(error) => return Err(unusable_certificate(chain_path, &error)),
        }
        let summary = chain::check(chain_path, &certified.cert, now)?;
        Ok(Self { certified: Arc::new(certified), summary, origin, bridge: None })
    }

    /// What the server's certificate says.
    pub fn summary(&self) -> &CertificateSummary {
        &self.summary
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The same, with a chain for clients that trust the root before.
    pub(super) fn with_bridge(self, bridge: Option<Bridge>) -> Self {
        Self { bridge, ..self }
    }

    /// What a client is shown at `now` that asks for `name`, or for none.
    pub(super) fn shown_for(&self, name: Option<&str>, now: Timestamp) -> &Arc<CertifiedKey> {
        let bridge = self.bridge.as_ref().and_then(|bridge| bridge.shown_for(name, now));
        bridge.unwrap_or(&self.certified)
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

fn parse_key(path: &Path, pem: &Zeroizing<Vec<u8>>) -> Result<Arc<dyn SigningKey>, TlsError> {
    let refuse = |reason: String| TlsError::Pem { path: path.to_owned(), what: "private key", reason };
    if is_encrypted(pem) {
        return Err(TlsError::KeyEncrypted { path: path.to_owned() });
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => refuse("no BEGIN PRIVATE KEY line".to_owned()),
        error => refuse(pem_fault(&error)),
    })?;
    aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(|error| refuse(error.to_string()))
}

/// PKCS #8 says so in its label, the older forms in a header line.
fn is_encrypted(pem: &[u8]) -> bool {
    let contains = |needle: &[u8]| pem.windows(needle.len()).any(|window| window == needle);
    contains(b"BEGIN ENCRYPTED PRIVATE KEY") || contains(b"Proc-Type: 4,ENCRYPTED")
}

fn unusable_certificate(path: &Path, error: &rustls::Error) -> TlsError {
    TlsError::Pem { path: path.to_owned(), what: "certificate", reason: error.to_string() }
}
