//! Where keys and certificates are stored within the data directory.

use std::path::{Path, PathBuf};

/// The files of the TLS layer below one data directory. Names are fixed, people script against them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PkiPaths {
    data_dir: PathBuf,
    authority_dir: PathBuf,
}

impl PkiPaths {
    /// The paths below `data_dir`.
    pub(crate) fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self { authority_dir: data_dir.join("ca"), data_dir }
    }

    /// The same, with an authority that is being made in another directory.
    pub(crate) fn with_authority_in(&self, directory: &Path) -> Self {
        Self { data_dir: self.data_dir.clone(), authority_dir: directory.to_owned() }
    }

    /// The data directory itself.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// `ca/`: the authority.
    pub(crate) fn authority_dir(&self) -> PathBuf {
        self.authority_dir.clone()
    }

    /// `ca/root.pem`: the certificate that clients trust.
    pub(crate) fn root_certificate(&self) -> PathBuf {
        self.authority_dir().join("root.pem")
    }

    /// `ca/root.key`: needed once a year; may be kept elsewhere.
    pub(crate) fn root_key(&self) -> PathBuf {
        self.authority_dir().join("root.key")
    }

    /// `ca/root.key.sealed`: the root key under a passphrase, in its place.
    pub(crate) fn sealed_root_key(&self) -> PathBuf {
        self.authority_dir().join("root.key.sealed")
    }

    /// `ca/previous.pem`: the previous root, while hosts that trust it are served too.
    pub(crate) fn previous_root(&self) -> PathBuf {
        self.authority_dir().join("previous.pem")
    }

    /// `ca/cross.pem`: the cross-certificate from the previous root to this one, signed by the key of the previous one.
    pub(crate) fn cross_certificate(&self) -> PathBuf {
        self.authority_dir().join("cross.pem")
    }

    /// `ca/hosts`: names that `ca rotate --host` added, one a line; served next to the configured ones.
    pub(crate) fn added_names(&self) -> PathBuf {
        self.authority_dir().join("hosts")
    }

    /// `ca/issuing.pem`: what signs the server's certificate.
    pub(crate) fn issuing_certificate(&self) -> PathBuf {
        self.authority_dir().join("issuing.pem")
    }

    /// `ca/issuing.key`.
    pub(crate) fn issuing_key(&self) -> PathBuf {
        self.authority_dir().join("issuing.key")
    }

    /// `tls/`: what the server shows.
    pub(crate) fn serving_dir(&self) -> PathBuf {
        self.data_dir.join("tls")
    }

    /// `tls/leaf.pem`: our own certificate and the issuing one, in the order in which they are sent.
    pub(crate) fn leaf_chain(&self) -> PathBuf {
        self.serving_dir().join("leaf.pem")
    }

    /// `tls/leaf.key`.
    pub(crate) fn leaf_key(&self) -> PathBuf {
        self.serving_dir().join("leaf.key")
    }

    /// `tls/bridge.pem`: the chain for hosts that trust the previous root, where that one does not permit all names.
    pub(crate) fn cross_signed_chain(&self) -> PathBuf {
        self.serving_dir().join("bridge.pem")
    }

    /// `tls/bridge.key`.
    pub(crate) fn cross_signed_key(&self) -> PathBuf {
        self.serving_dir().join("bridge.key")
    }

    /// `tls/imported.pem`: the operator's chain; served instead of ours while it exists.
    pub(crate) fn imported_chain(&self) -> PathBuf {
        self.serving_dir().join("imported.pem")
    }

    /// `tls/imported.key`.
    pub(crate) fn imported_key(&self) -> PathBuf {
        self.serving_dir().join("imported.key")
    }

    /// `tls/acme.pem`: the chain that ACME ordered; served instead of ours where ACME is switched on.
    pub(crate) fn acme_chain(&self) -> PathBuf {
        self.serving_dir().join("acme.pem")
    }

    /// `tls/acme.key`.
    pub(crate) fn acme_key(&self) -> PathBuf {
        self.serving_dir().join("acme.key")
    }

    /// The keys that this program makes or copies, whether they exist or not.
    pub(crate) fn kept_keys(&self) -> [PathBuf; 7] {
        [
            self.root_key(),
            self.sealed_root_key(),
            self.issuing_key(),
            self.leaf_key(),
            self.cross_signed_key(),
            self.imported_key(),
            self.acme_key(),
        ]
    }

    /// `tls/acme.lock`: held by the process that orders.
    pub(crate) fn acme_lock(&self) -> PathBuf {
        self.serving_dir().join("acme.lock")
    }
}
