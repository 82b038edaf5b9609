//! What to write by hand for tools that have no `certs.d`: they name the CA in their own configuration.

use std::path::{Path, PathBuf};

use super::host::InstallScope;
use super::registry_address::RegistryAddress;

/// For the file that buildx reads for every builder that it makes (`buildkitd.default.toml`).
pub fn buildkit_stanza(scope: &InstallScope, registry: &RegistryAddress, default_file: &Path) -> String {
    let (name, file) = (registry.written(), file(scope, registry));
    format!(
        "# {}, which buildx reads for new builders; make one that exists again:\n\
         # docker buildx rm NAME; docker buildx create --name NAME --use\n\
         [registry.\"{name}\"]\n  ca = [\"{}\"]\n",
        default_file.display(),
        file.display()
    )
}

/// For `registries.yaml` of k3s and RKE2.
pub fn k3s_stanza(scope: &InstallScope, registry: &RegistryAddress) -> String {
    let (name, file) = (registry.written(), file(scope, registry));
    format!(
        "# /etc/rancher/k3s/registries.yaml; then restart k3s\n\
         configs:\n  \"{name}\":\n    tls:\n      ca_file: \"{}\"\n",
        file.display()
    )
}

/// What to add to a `hosts.toml` of containerd.
pub(crate) fn hosts_toml(scope: &InstallScope, registry: &RegistryAddress) -> String {
    format!("[host.\"https://{}\"] ca = \"{}\"", registry.written(), file(scope, registry).display())
}

/// The file that is always written.
fn file(scope: &InstallScope, registry: &RegistryAddress) -> PathBuf {
    scope.docker_certs().join(registry.written()).join("ca.crt")
}
