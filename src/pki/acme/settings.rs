//! What is ordered where, and how control over the names is shown.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use instant_acme::ChallengeType;

use crate::config::{AcmeChallenge, AcmeSettings};
use crate::pki::{FileChanges, InPlace, SubjectName};

/// What is ordered, from the operator's settings.
#[derive(Debug, Clone)]
pub(crate) struct OrderSettings {
    /// The data directory, where the certificate is put.
    pub data_dir: PathBuf,
    /// The address of the authority's directory (`https`).
    pub directory: String,
    /// The names and addresses of the certificate; at least one.
    pub names: Vec<SubjectName>,
    /// The section `[acme]`.
    pub acme: AcmeSettings,
    /// By which the certificate is put there.
    pub changes: Arc<dyn FileChanges>,
}

impl OrderSettings {
    /// `None` where the section names no directory: ACME is switched off.
    pub(crate) fn new(data_dir: PathBuf, names: Vec<SubjectName>, acme: &AcmeSettings) -> Option<Self> {
        let directory = acme.directory.clone()?;
        let changes = Arc::new(InPlace::new(&data_dir));
        Some(Self { data_dir, directory, names, acme: acme.clone(), changes })
    }

    /// The same, where the certificate is for all nodes.
    #[must_use]
    pub(crate) fn with_changes(self, changes: Arc<dyn FileChanges>) -> Self {
        Self { changes, ..self }
    }
}

impl AcmeChallenge {
    /// The port that authorities connect to.
    pub(super) fn public_port(self) -> u16 {
        match self {
            Self::TlsAlpn01 => 443,
            Self::Http01 => 80,
        }
    }
}

impl From<AcmeChallenge> for ChallengeType {
    fn from(method: AcmeChallenge) -> Self {
        match method {
            AcmeChallenge::TlsAlpn01 => Self::TlsAlpn01,
            AcmeChallenge::Http01 => Self::Http01,
        }
    }
}

impl fmt::Display for AcmeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        })
    }
}
