//! A certificate chain with its key, checked before anything is served with it.

pub(crate) mod expiry_warning;
pub(crate) mod import;
pub(crate) mod pair;
pub(crate) mod previous_root;
pub(crate) mod source;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, ServerName};
use zeroize::Zeroizing;

use super::certificate::chain::{self, Checked};
use super::certificate::pem::certificate_to_pem;
use super::certificate::private_key::signing_key;
use super::certificate::{self, CertificateSummary, bundle};
use super::error::PkiError;
use super::files::private_file::{read_kept_key, read_key, read_public};
use super::identity::previous_root::CrossSignedChain;

/// Where a served certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Signed by the data directory's own authority; renewed by us.
    ManagedCa,
    /// Copied into the data directory by `cert import`; renewed by the operator.
    Imported,
    /// Ordered from a public authority by ACME; renewed by us.
    Acme,
    /// At paths that the configuration names; renewed by the operator or their tools.
    Configured,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ManagedCa => "own authority",
            Self::Imported => "imported",
            Self::Acme => "ACME",
            Self::Configured => "configured files",
        })
    }
}

/// A chain and key that fit each other, in time and in order.
#[derive(Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    summary: CertificateSummary,
    origin: Origin,
    warnings: Vec<String>,
    cross_signed: Option<CrossSignedChain>,
}

impl Identity {
    /// Loads a chain (PEM, the server's certificate first) and its key (PEM, unencrypted, for its owner alone), and checks
    /// that they may be served at `now`.
    pub fn load(chain: &Path, key: &Path, origin: Origin, now: Timestamp) -> Result<Self, PkiError> {
        let chain_pem = read_public(chain)?;
        // A mode of a key of ours is not refused for its group; what is the operator's is theirs to fix.
        let key_pem = if origin == Origin::Configured {
            if bundle(chain, &chain_pem)?.has_key {
                // As secret as the key's own file.
                drop(read_key(chain)?);
            }
            read_key(key)?
        } else {
            read_kept_key(key)?
        };
        Self::from_pem((chain, &chain_pem), (key, &key_pem), origin, now)
    }

    /// As [`Identity::load`], of bytes that were read already; the paths are named in errors.
    pub(crate) fn from_pem(
        (chain_path, chain_pem): (&Path, &[u8]),
        (key_path, key_pem): (&Path, &Zeroizing<Vec<u8>>),
        origin: Origin,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        let chain = certificate::from_pem(chain_path, chain_pem)?;
        let key = signing_key(key_path, key_pem)?;
        let mut certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(PkiError::KeyMismatch { certificate: chain_path.to_owned(), key: key_path.to_owned() });
            }
            Err(error) => return Err(unusable_certificate(chain_path, &error)),
        }
        let Checked { summary, sent, warnings } = chain::check(chain_path, &certified.cert, now)?;
        certified.cert.truncate(sent);
        Ok(Self { certified: Arc::new(certified), summary, origin, warnings, cross_signed: None })
    }

    /// What the server's certificate says.
    pub fn summary(&self) -> &CertificateSummary {
        &self.summary
    }

    /// What some client may stumble over, each with what to do about it.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The chain that is sent, as PEM: certificates alone, whatever else was in the file.
    pub(crate) fn chain_pem(&self) -> String {
        self.certified.cert.iter().map(|der| certificate_to_pem(der)).collect()
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The same, with a chain for clients that trust the previous root.
    pub(crate) fn with_cross_signed(self, cross_signed: Option<CrossSignedChain>) -> Self {
        Self { cross_signed, ..self }
    }

    /// What a client is shown at `now` that asks for `name`, or for none.
    pub(crate) fn shown_for(&self, name: Option<&str>, now: Timestamp) -> &Arc<CertifiedKey> {
        let cross_signed = self.cross_signed.as_ref().and_then(|cross_signed| cross_signed.shown_for(name, now));
        cross_signed.unwrap_or(&self.certified)
    }

    /// The first host name, if there is any, and the server's certificate that a client is shown at `now` that asks for it.
    pub(crate) fn presented(&self, now: Timestamp) -> (Option<&str>, Option<CertificateDer<'static>>) {
        let name = self.summary.names.first().map(String::as_str);
        let name = name.filter(|name| matches!(ServerName::try_from(*name), Ok(ServerName::DnsName(_))));
        let shown = self.shown_for(name, now).cert.first().cloned();
        (name, shown.map(CertificateDer::into_owned))
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

fn unusable_certificate(path: &Path, error: &rustls::Error) -> PkiError {
    PkiError::Pem { path: path.to_owned(), what: "certificate", reason: error.to_string() }
}
