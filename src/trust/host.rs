//! The host whose tools shall trust the registry, and whose: everybody's, or one user's rootless ones.

use std::path::{Path, PathBuf};

/// A machine, by its root directory. Another root than `/` stands in for a machine, for tests and for images being built.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine whose root directory is `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a path of the host lies for this process.
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

/// Whose tools.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Everybody's.
    System,
    /// One user's rootless ones.
    User(Home),
}

impl Scope {
    /// Docker's directory of CAs per registry.
    pub(super) fn docker_certs(&self) -> PathBuf {
        match self {
            Self::System => PathBuf::from("/etc/docker/certs.d"),
            Self::User(home) => home.config.join("docker/certs.d"),
        }
    }

    /// The one of podman, skopeo, buildah and CRI-O.
    pub(super) fn containers_certs(&self) -> PathBuf {
        match self {
            Self::System => PathBuf::from("/etc/containers/certs.d"),
            Self::User(home) => home.home.join(".config/containers/certs.d"),
        }
    }

    /// Where manifests lie: `/var/lib/portcullis-trust`, or `~/.local/state/portcullis-trust`.
    pub(super) fn manifests(&self) -> PathBuf {
        match self {
            Self::System => PathBuf::from("/var/lib/portcullis-trust"),
            Self::User(home) => home.state.join("portcullis-trust"),
        }
    }
}
