//! What to write by hand for tools that have no `certs.d`: they name the CA in their own configuration.

use std::path::PathBuf;

use super::host::Scope;
use super::registry_address::RegistryAddress;

/// For `buildkitd.toml`, which buildx hands to the builder that it makes.
pub fn buildkit_stanza(scope: &Scope, registry: &RegistryAddress) -> String {
    let (name, file) = (registry.written(), file(scope, registry));
    format!(
        "# buildkitd.toml; then make the builder anew: docker buildx create --buildkitd-config buildkitd.toml --use\n\
         [registry.\"{name}\"]\n  ca = [\"{}\"]\n",
        file.display()
    )
}

/// For `registries.yaml` of k3s and RKE2.
pub fn k3s_stanza(scope: &Scope, registry: &RegistryAddress) -> String {
    let (name, file) = (registry.written(), file(scope, registry));
    format!(
        "# /etc/rancher/k3s/registries.yaml; then restart k3s\n\
         configs:\n  \"{name}\":\n    tls:\n      ca_file: \"{}\"\n",
        file.display()
    )
}

/// What to add to a `hosts.toml` of containerd.
pub(super) fn hosts_toml(scope: &Scope, registry: &RegistryAddress) -> String {
    format!("[host.\"https://{}\"] ca = \"{}\"", registry.written(), file(scope, registry).display())
}

/// The file that is always written.
fn file(scope: &Scope, registry: &RegistryAddress) -> PathBuf {
    scope.docker_certs().join(registry.written()).join("ca.crt")
}
