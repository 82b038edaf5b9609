//! What is ordered where, and how control over the names is shown.

use std::fmt;
use std::path::PathBuf;

use instant_acme::ChallengeType;

use crate::pki::SubjectName;

/// What the operator wants of ACME.
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// The data directory, where the certificate is put.
    pub data_dir: PathBuf,
    /// The address of the authority's directory (`https`).
    pub directory: String,
    /// Addresses of mail that the authority may write to.
    pub contact: Vec<String>,
    /// How control over the names is shown.
    pub challenge: ChallengeMethod,
    /// The names and addresses of the certificate; at least one.
    pub names: Vec<SubjectName>,
    /// The profile, by the authority's name for it.
    pub profile: Option<String>,
    /// PEM file with the roots that the authority's own server is trusted by; `None`: the public ones.
    pub directory_ca: Option<PathBuf>,
    /// An account with the authority that ours is bound to.
    pub external_account: Option<ExternalAccount>,
}

/// External account binding (RFC 8555, section 7.3.4).
#[derive(Debug, Clone)]
pub struct ExternalAccount {
    /// The name of the key.
    pub kid: String,
    /// The file with the key in base64url, readable by its owner alone.
    pub key_file: PathBuf,
}

/// How control over a name is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeMethod {
    /// By a TLS handshake (RFC 8737).
    TlsAlpn01,
    /// By a file over plain HTTP (RFC 8555, section 8.3).
    Http01,
}

impl ChallengeMethod {
    /// The port that authorities connect to.
    pub(super) fn public_port(self) -> u16 {
        match self {
            Self::TlsAlpn01 => 443,
            Self::Http01 => 80,
        }
    }
}

impl From<ChallengeMethod> for ChallengeType {
    fn from(method: ChallengeMethod) -> Self {
        match method {
            ChallengeMethod::TlsAlpn01 => Self::TlsAlpn01,
            ChallengeMethod::Http01 => Self::Http01,
        }
    }
}

impl fmt::Display for ChallengeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        })
    }
}
