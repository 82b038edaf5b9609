//! The host whose tools shall trust the registry, and for whom: everyone, or one user's rootless tools.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::TrustError;

/// A machine, by its root directory. Another root than `/` is used for tests and for images being built.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine whose root directory is `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where this process finds a path of the host.
    pub fn real(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// A user's directories, absolute.
#[derive(Debug, Clone)]
pub struct Home {
    /// `~`: podman looks into `.config/containers` below it.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME`, or `~/.config`: rootless docker looks into `docker` below it.
    pub config: PathBuf,
    /// `$XDG_STATE_HOME`, or `~/.local/state`: where the manifest goes.
    pub state: PathBuf,
}

impl Home {
    /// Refuses what root would write or remove in another's home, where that one could lead it anywhere by links and manifests. Other
    /// users can do only what is theirs.
    pub fn require_own(&self, host: &Host) -> Result<(), TrustError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let scope = InstallScope::User(self.clone());
        for place in [scope.docker_certs(), scope.containers_certs(), scope.manifests()] {
            // Links count as themselves: who owns one may turn it.
            let is_anothers = |path: &&Path| host.real(path).symlink_metadata().is_ok_and(|meta| meta.uid() != 0);
            let below_root = place.ancestors().filter(|path| path.parent().is_some());
            if let Some(path) = below_root.filter(is_anothers).last() {
                return Err(TrustError::HomeOfAnother { path: path.to_owned() });
            }
        }
        Ok(())
    }
}

/// Whose tools.
#[derive(Debug, Clone)]
pub enum InstallScope {
    /// For everyone.
    System,
    /// One user's rootless ones.
    User(Home),
}

impl InstallScope {
    /// Docker's directory of CAs per registry.
    pub(crate) fn docker_certs(&self) -> PathBuf {
        match self {
            Self::System => PathBuf::from("/etc/docker/certs.d"),
            Self::User(home) => home.config.join("docker/certs.d"),
        }
    }

    /// The one of podman, skopeo, buildah and CRI-O.
    pub(crate) fn containers_certs(&self) -> PathBuf {
        match self {
            Self::System => PathBuf::from("/etc/containers/certs.d"),
            Self::User(home) => home.home.join(".config/containers/certs.d"),
        }
    }

    /// Where manifests lie: `/var/lib/portcullis-trust`, or `~/.local/state/portcullis-trust`.
    pub(crate) fn manifests(&self) -> PathBuf {
        match self {
            Self::System => PathBuf::from("/var/lib/portcullis-trust"),
            Self::User(home) => home.state.join("portcullis-trust"),
        }
    }
}
