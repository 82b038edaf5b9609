//! `[tls]`: whose certificate is shown.

use std::path::PathBuf;

use crate::config::reader::Keys;

/// The section `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The operator's own certificate and key; `None`: Portcullis makes its own.
    pub pair: Option<OperatorPair>,
    /// Whether a CA that Portcullis makes can sign for this registry's names alone.
    pub constrained: bool,
}

/// A certificate with its key, which only make sense together. The files are not looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPair {
    /// PEM file with the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub private_key: PathBuf,
}

impl Tls {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let certificate = keys.get("certificate", None);
        let private_key = keys.get("private_key", None);
        Self { pair: pair(keys, certificate, private_key), constrained: keys.get("constrained", true) }
    }
}

fn pair(keys: &mut Keys<'_, '_>, certificate: Option<PathBuf>, private_key: Option<PathBuf>) -> Option<OperatorPair> {
    match (certificate, private_key) {
        (Some(certificate), Some(private_key)) => {
            return Some(OperatorPair { certificate, private_key });
        }
        (None, None) => {}
        (Some(_), None) => keys.refuse("certificate", "tls.private_key is missing: set both or none"),
        (None, Some(_)) => keys.refuse("private_key", "tls.certificate is missing: set both or none"),
    }
    None
}
