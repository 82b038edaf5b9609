//! Where keys and certificates lie within the data directory.

use std::path::{Path, PathBuf};

/// The files of the TLS layer below one data directory. Names are fixed, people script against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    data_dir: PathBuf,
}

impl TlsPaths {
    /// The paths below `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into() }
    }

    /// The data directory itself.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// `ca/`: the authority.
    pub fn authority_dir(&self) -> PathBuf {
        self.data_dir.join("ca")
    }

    /// `ca/root.pem`: the certificate that clients trust.
    pub fn root_certificate(&self) -> PathBuf {
        self.authority_dir().join("root.pem")
    }

    /// `ca/root.key`: needed once a year; may be kept elsewhere.
    pub fn root_key(&self) -> PathBuf {
        self.authority_dir().join("root.key")
    }

    /// `ca/issuing.pem`: what signs the server's certificate.
    pub fn issuing_certificate(&self) -> PathBuf {
        self.authority_dir().join("issuing.pem")
    }

    /// `ca/issuing.key`.
    pub fn issuing_key(&self) -> PathBuf {
        self.authority_dir().join("issuing.key")
    }

    /// `tls/`: what the server shows.
    pub fn serving_dir(&self) -> PathBuf {
        self.data_dir.join("tls")
    }

    /// `tls/leaf.pem`: our own certificate and the issuing one, in the order in which they are sent.
    pub fn leaf_chain(&self) -> PathBuf {
        self.serving_dir().join("leaf.pem")
    }

    /// `tls/leaf.key`.
    pub fn leaf_key(&self) -> PathBuf {
        self.serving_dir().join("leaf.key")
    }

    /// `tls/imported.pem`: the operator's chain; served instead of ours while it exists.
    pub fn imported_chain(&self) -> PathBuf {
        self.serving_dir().join("imported.pem")
    }

    /// `tls/imported.key`.
    pub fn imported_key(&self) -> PathBuf {
        self.serving_dir().join("imported.key")
    }

    /// `tls/acme.pem`: the chain that ACME ordered; served instead of ours where ACME is switched on.
    pub fn acme_chain(&self) -> PathBuf {
        self.serving_dir().join("acme.pem")
    }

    /// `tls/acme.key`.
    pub fn acme_key(&self) -> PathBuf {
        self.serving_dir().join("acme.key")
    }

    /// `tls/acme.lock`: held by whoever orders.
    pub fn acme_lock(&self) -> PathBuf {
        self.serving_dir().join("acme.lock")
    }
}
