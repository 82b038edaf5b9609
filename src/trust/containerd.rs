//! Where containerd's CRI plugin looks for a registry's CA, if its configuration names a place (`config_path`).

use std::path::PathBuf;

use super::error::TrustError;
use super::file;
use super::host::Host;

const CONFIG: &str = "/etc/containerd/config.toml";
/// The plugins that have a `registry.config_path`: since configuration version 3, and before.
const PLUGINS: [&str; 2] = ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"];

/// What is to be done for one name of a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The CA goes into this directory.
    Directory(PathBuf),
    /// A `hosts.toml` decides there; it has to name the CA itself.
    HostsFile(PathBuf),
}

/// The directories of `config_path`; none where there is no configuration or it names none. A configuration that cannot be read
/// as TOML counts for nothing, because containerd does not start with it either.
pub(super) fn config_paths(host: &Host) -> Result<Vec<PathBuf>, TrustError> {
    let Some(text) = file::read(&host.real(CONFIG.as_ref()))? else { return Ok(Vec::new()) };
    let Some(config) = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Ok(Vec::new());
    };
    let path = |plugin: &&str| config.get("plugins")?.get(*plugin)?.get("registry")?.get("config_path")?.as_str();
    let paths = PLUGINS.iter().filter_map(path).find(|paths| !paths.is_empty()).unwrap_or_default();
    Ok(paths.split(':').filter(|path| path.starts_with('/')).map(PathBuf::from).collect())
}

/// Where the CA of `name` goes: containerd takes the first directory that exists for it, in the first path that has one.
pub(super) fn place(host: &Host, config_paths: &[PathBuf], name: &str) -> Option<Place> {
    let candidates = |root: &PathBuf| [underscored(name).map(|name| root.join(name)), Some(root.join(name))];
    let existing = config_paths.iter().flat_map(candidates).flatten().find(|directory| host.real(directory).is_dir());
    let directory = existing.or_else(|| config_paths.first().map(|root| root.join(name)))?;
    let hosts_file = directory.join("hosts.toml");
    Some(if host.real(&hosts_file).exists() { Place::HostsFile(hosts_file) } else { Place::Directory(directory) })
}

/// `HOST_PORT_`, the spelling of a directory that containerd looks for first.
fn underscored(name: &str) -> Option<String> {
    name.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map(|(host, port)| format!("{host}_{port}_"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host(config: &str) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/containerd")).unwrap();
        fs::write(root.path().join("etc/containerd/config.toml"), config).unwrap();
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn both_versions_of_the_configuration_are_read() {
        let v2 = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
        assert_eq!(config_paths(&host(v2).1).unwrap(), [PathBuf::from("/etc/containerd/certs.d")]);
        let v3 =
            "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/a:/etc/docker/certs.d'\n";
        assert_eq!(config_paths(&host(v3).1).unwrap(), [PathBuf::from("/a"), PathBuf::from("/etc/docker/certs.d")]);
        for nothing in
            ["", "version = 2", "not toml [", "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"\""]
        {
            assert!(config_paths(&host(nothing).1).unwrap().is_empty(), "{nothing}");
        }
        assert!(config_paths(&Host::at("/nonexistent")).unwrap().is_empty());
    }

    #[test]
    fn the_directory_that_containerd_finds_first_counts() {
        let (root, host) = host("");
        let paths = [PathBuf::from("/a"), PathBuf::from("/b")];
        assert_eq!(place(&host, &[], "r:5000"), None);
        assert_eq!(place(&host, &paths, "r:5000"), Some(Place::Directory("/a/r:5000".into())));
        fs::create_dir_all(root.path().join("b/r_5000_")).unwrap();
        assert_eq!(place(&host, &paths, "r:5000"), Some(Place::Directory("/b/r_5000_".into())));
        fs::create_dir_all(root.path().join("a/r:5000")).unwrap();
        fs::write(root.path().join("a/r:5000/hosts.toml"), "").unwrap();
        assert_eq!(place(&host, &paths, "r:5000"), Some(Place::HostsFile("/a/r:5000/hosts.toml".into())));
    }
}
