//! Which servers the client believes.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::danger::{self, Accept};

/// Who vouches for the server.
#[derive(Debug, Clone)]
pub(crate) enum TrustMode {
    /// The public authorities, with full checks of the host name.
    PublicRoots,
    /// These roots and nothing else, with full checks of the host name.
    Roots(RootCertStore),
    /// No authority: the server must present this certificate, byte for byte.
    Pinned(CertificateDer<'static>),
    /// No one: for looking, and for what is verified by other means.
    Unverified,
}

impl TrustMode {
    pub(super) fn into_config(self) -> Result<ClientConfig, rustls::Error> {
        match self {
            Self::PublicRoots => verifying(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
            Self::Roots(roots) => verifying(roots),
            Self::Pinned(certificate) => danger::client(Accept::Only(certificate)),
            Self::Unverified => danger::client(Accept::Anyone),
        }
    }
}

fn verifying(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
