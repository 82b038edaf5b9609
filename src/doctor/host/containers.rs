//! The stores of podman and the tools that share its configuration, and of containerd.

use std::path::{Path, PathBuf};

use super::stores::{Store, certificates, in_directory, is_trusted, trust_finding};
use super::{Chain, Examined, program};
use crate::doctor::finding::Finding;
use crate::trust::containerd::{self, CertsLocation};
use crate::trust::host::InstallScope;

const CONTAINERS_TOOLS: [&str; 4] = ["podman", "skopeo", "buildah", "crio"];

pub(super) fn podman(examined: &Examined, chain: &Chain, system: &Store) -> Option<Finding> {
    let installed: Vec<&str> =
        CONTAINERS_TOOLS.into_iter().filter(|name| program::find(examined, name).is_some()).collect();
    let own = in_directory(examined, &containers_directory(examined));
    (!installed.is_empty()).then(|| trust_finding(examined, "podman", &installed.join(", "), (&own, system), chain))
}

/// The first that exists, since they read only one; the system's if none exists.
fn containers_directory(examined: &Examined) -> PathBuf {
    let name = examined.registry.written();
    let user = examined.home.clone().map(|home| InstallScope::User(home).containers_certs().join(name));
    let all = InstallScope::System.containers_certs().join(name);
    let docker = InstallScope::System.docker_certs().join(name);
    let mut places = user.into_iter().chain([all.clone(), docker]);
    places.find(|path| examined.host.real(path).is_dir()).unwrap_or(all)
}

/// Without a `config_path`, its Kubernetes plugin may not even run: docker installs containerd too and needs no CA in it.
pub(super) fn containerd(examined: &Examined, chain: &Chain, system: &Store) -> Option<Finding> {
    program::find(examined, "containerd")?;
    let paths = containerd::config_paths(&examined.host).unwrap_or_default();
    let own = match containerd::location(&examined.host, &paths, examined.registry.written()) {
        Some(CertsLocation::Directory(path)) => in_directory(examined, &path),
        Some(CertsLocation::HostsFile(path)) => in_hosts_file(examined, &path),
        // The usual directory counts for nerdctl, and for containerd once its configuration names it.
        None => in_directory(examined, &Path::new(containerd::USUAL).join(examined.registry.written())),
    };
    if !paths.is_empty() || is_trusted(examined, chain, &[system]) {
        return Some(trust_finding(examined, "containerd", "containerd", (&own, system), chain));
    }
    let set = "set config_path = \"/etc/containerd/certs.d\" in /etc/containerd/config.toml and restart containerd";
    let is_there = is_trusted(examined, chain, &[&own]);
    Some(Finding::warning(
        "containerd",
        "containerd's configuration has no config_path, and the operating system's store does not trust the registry",
        "if Kubernetes pulls through it, pulls fail; ignore this if only docker uses it",
        if is_there { set.to_owned() } else { format!("{}; and {set}", examined.trust_command("")) },
    ))
}

/// The CAs of every file that a `hosts.toml` names.
fn in_hosts_file(examined: &Examined, path: &Path) -> Store {
    let mut store = Store { path: path.to_owned(), ..Store::default() };
    let Ok(Some(text)) = crate::trust::file::read(&examined.host.real(path)) else { return store };
    let Ok(table) = String::from_utf8_lossy(&text).parse::<toml::Table>() else { return store };
    let directory = path.parent().unwrap_or(Path::new("/"));
    for file in named_authorities(&table) {
        store.roots.extend(certificates(examined, &directory.join(file)));
    }
    store
}

/// `ca` at the top level and of every `[host."..."]`: a string or a list.
fn named_authorities(table: &toml::Table) -> Vec<String> {
    let hosts = table.get("host").and_then(toml::Value::as_table);
    let hosts = hosts.into_iter().flat_map(toml::Table::values).filter_map(|host| host.get("ca"));
    let mut files = Vec::new();
    for value in table.get("ca").into_iter().chain(hosts) {
        match value {
            toml::Value::String(file) => files.push(file.clone()),
            toml::Value::Array(list) => files.extend(list.iter().filter_map(|file| file.as_str().map(str::to_owned))),
            _ => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_file_names_its_authorities_in_either_form() {
        let table =
            "ca = 'a.crt'\n[host.'https://r.test']\nca = ['b.crt', '/c.crt']\n[host.'https://m.test']\nca = 'd.crt'\n";
        let mut files = named_authorities(&table.parse().unwrap());
        files.sort();
        assert_eq!(files, ["/c.crt", "a.crt", "b.crt", "d.crt"]);
    }
}
