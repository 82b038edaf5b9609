//! `[tls]`: which certificate is served.

use std::path::{Path, PathBuf};

use crate::config::definition::settings;

settings! {
    /// The section `[tls]`.
    TlsSettings {
        /// Your own certificate: a PEM file, followed by its intermediates. Set it together with private_key. "none":
        /// Portcullis makes a CA and a certificate of its own and renews the certificate by itself.
        certificate: Option<PathBuf> = None;

        /// Its private key: a PEM file with mode 0600; or root's with mode 0640 or 0440, readable by a group of Portcullis,
        /// as Kubernetes secrets and Debian's ssl-cert are.
        private_key: Option<PathBuf> = None;

        /// Whether the CA that Portcullis makes can sign for the names in server.hosts only. Leave it so: a stolen CA key
        /// then cannot be used for other sites. It applies when the CA is made; "false" allows adding any name later.
        constrained: bool = true;
    }
}

/// A certificate with its key. The files are not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorPair<'s> {
    /// PEM file with the certificate, then its intermediates.
    pub certificate: &'s Path,
    /// PEM file with the private key.
    pub private_key: &'s Path,
}

impl TlsSettings {
    /// The operator's own certificate and key; `None`: Portcullis makes its own.
    pub(crate) fn pair(&self) -> Option<OperatorPair<'_>> {
        let (certificate, private_key) = (self.certificate.as_deref()?, self.private_key.as_deref()?);
        Some(OperatorPair { certificate, private_key })
    }
}
