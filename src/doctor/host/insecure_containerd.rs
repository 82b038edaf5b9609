//! The same for containerd, BuildKit and k3s.

use std::path::{Path, PathBuf};

use super::Examined;
use super::insecure::{insecure_setting, is_registry, read};
use crate::doctor::finding::Finding;
use crate::trust::containerd::{self, CertsLocation};

const CONFIG: &str = "/etc/containerd/config.toml";
const K3S: &str = "/etc/rancher/k3s/registries.yaml";
const BUILDKIT: &str = "/etc/buildkit/buildkitd.toml";

pub(super) fn check(examined: &Examined) -> Vec<Finding> {
    let mut findings: Vec<Finding> = hosts_file(examined).into_iter().collect();
    findings.extend(config(examined));
    findings.extend(buildkit(examined));
    findings.extend(k3s(examined));
    findings
}

fn table(examined: &Examined, path: &Path) -> Option<toml::Table> {
    read(examined, path)?.parse().ok()
}

/// `skip_verify = true` in the `hosts.toml` that containerd reads for this registry.
fn hosts_file(examined: &Examined) -> Option<Finding> {
    let mut paths = containerd::config_paths(&examined.host).unwrap_or_default();
    paths.push(PathBuf::from(containerd::USUAL));
    let Some(CertsLocation::HostsFile(path)) =
        containerd::location(&examined.host, &paths, examined.registry.written())
    else {
        return None;
    };
    let table = table(examined, &path)?;
    let skips = |table: &toml::Table| table.get("skip_verify").and_then(toml::Value::as_bool) == Some(true);
    let hosts = table.get("host").and_then(toml::Value::as_table);
    let mut hosts = hosts.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    let path = path.display();
    (skips(&table) || hosts.any(skips)).then(|| {
        insecure_setting(
            format!("{path} sets skip_verify = true"),
            format!(
                "replace it in {path} with ca = \"/etc/docker/certs.d/{}/ca.crt\"; no restart is needed",
                examined.registry.written()
            ),
        )
    })
}

/// `insecure_skip_verify` in containerd's own configuration, as was usual before `config_path`.
fn config(examined: &Examined) -> Option<Finding> {
    let table = table(examined, CONFIG.as_ref())?;
    let plugins = table.get("plugins").and_then(toml::Value::as_table)?;
    let configs = plugins.values().filter_map(|plugin| plugin.get("registry")?.get("configs")?.as_table());
    let mut entries = configs.flat_map(toml::Table::iter).filter(|(name, _)| is_registry(examined, name));
    let skips = entries
        .any(|(_, entry)| entry.get("tls").and_then(|tls| tls.get("insecure_skip_verify")?.as_bool()) == Some(true));
    skips.then(|| {
        insecure_setting(
            format!("{CONFIG} sets insecure_skip_verify = true for this registry"),
            format!("remove that section from {CONFIG}, set config_path there, then: systemctl restart containerd"),
        )
    })
}

fn buildkit(examined: &Examined) -> Option<Finding> {
    let path = buildkit_files(examined).into_iter().find(|path| {
        let registries = table(examined, path).and_then(|table| table.get("registry")?.as_table().cloned());
        let mut entries = registries.into_iter().flatten().filter(|(name, _)| is_registry(examined, name));
        let is_set = |entry: &toml::Value, key: &str| entry.get(key).and_then(toml::Value::as_bool) == Some(true);
        entries.any(|(_, entry)| is_set(&entry, "insecure") || is_set(&entry, "http"))
    })?;
    Some(insecure_setting(
        format!("{} sets insecure or http = true for this registry", path.display()),
        "replace it with the ca line that `portcullis trust --print buildkit` prints, and create the builder again",
    ))
}

/// What buildkitd reads, and what buildx passes to new builders.
fn buildkit_files(examined: &Examined) -> Vec<PathBuf> {
    let home = examined.home.as_ref().map(|home| &home.home);
    let users = home.map(|home| home.join(".config/buildkit/buildkitd.toml"));
    let docker =
        examined.variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| home.map(|home| home.join(".docker")));
    let buildx = examined.variable("BUILDX_CONFIG").map(PathBuf::from);
    let buildx = buildx.or_else(|| docker.map(|docker| docker.join("buildx")));
    let defaults = buildx.map(|buildx| buildx.join("buildkitd.default.toml"));
    std::iter::once(PathBuf::from(BUILDKIT)).chain(users).chain(defaults).collect()
}

/// Finds the section of the registry by its indentation: enough to find one key below one name.
fn k3s(examined: &Examined) -> Option<Finding> {
    let text = read(examined, K3S.as_ref())?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let head = lines.find(|line| is_registry(examined, line.trim().trim_end_matches(':').trim_matches(['"', '\''])))?;
    let mut section = lines.take_while(|line| indent(line) > indent(head));
    let skips = section.any(|line| line.split_whitespace().eq(["insecure_skip_verify:", "true"]));
    skips.then(|| {
        insecure_setting(
            format!("{K3S} sets insecure_skip_verify: true for this registry"),
            format!(
                "replace it with the ca_file line that `portcullis trust {} --print k3s` prints, and restart k3s",
                examined.registry.written()
            ),
        )
    })
}
