//! Where containerd and its tools look for a registry's CA: below the `config_path` of its configuration, and in the place that
//! `nerdctl` reads by default and everyone names to `ctr` and to `config_path`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::TrustError;
use super::file;
use super::host::Host;

const CONFIG: &str = "/etc/containerd/config.toml";
/// The usual place.
pub(crate) const USUAL: &str = "/etc/containerd/certs.d";
/// By one of these it is known to be installed.
const TRACES: [&str; 4] =
    ["/etc/containerd", "/usr/bin/containerd", "/usr/local/bin/containerd", "/usr/sbin/containerd"];
/// The most files that are followed from `imports`.
const MOST_FILES: usize = 100;
/// The plugins that have a `registry.config_path`: since configuration version 3, and before.
const PLUGINS: [&str; 2] = ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"];

/// What is to be done for one name of a registry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CertsLocation {
    /// The CA goes into this directory.
    Directory(PathBuf),
    /// A `hosts.toml` decides there; it has to name the CA itself.
    HostsFile(PathBuf),
}

/// Whether containerd is installed.
pub(crate) fn is_installed(host: &Host) -> bool {
    TRACES.iter().any(|path| host.real(path.as_ref()).exists())
}

/// What is to be done for one name of a registry: for the configuration's paths, and in the usual place where that is not one of
/// them.
pub(crate) fn locations(host: &Host, name: &str) -> Result<Vec<CertsLocation>, TrustError> {
    let configured = config_paths(host)?;
    let usual = [PathBuf::from(USUAL)];
    let also = is_installed(host) && !configured.contains(&usual[0]);
    let in_usual = also.then(|| location(host, &usual, name)).flatten();
    Ok(location(host, &configured, name).into_iter().chain(in_usual).collect())
}

/// The directories of `config_path`; none if the configuration is missing or names none. As containerd does, follows `imports`
/// and takes what the last file says. A file that cannot be read as TOML counts for nothing, because containerd does not start with it
/// either.
pub(crate) fn config_paths(host: &Host) -> Result<Vec<PathBuf>, TrustError> {
    let (mut pending, mut seen) = (vec![PathBuf::from(CONFIG)], BTreeSet::new());
    let mut paths = String::new();
    while !pending.is_empty() && seen.len() < MOST_FILES {
        let path = pending.remove(0);
        if !seen.insert(path.clone()) {
            continue;
        }
        let Some(config) = read_config(host, &path)? else { continue };
        if let Some(named) = named_paths(&config) {
            named.clone_into(&mut paths);
        }
        pending.extend(imports(host, &path, &config));
    }
    Ok(paths.split(':').filter(|path| path.starts_with('/')).map(PathBuf::from).collect())
}

fn read_config(host: &Host, path: &Path) -> Result<Option<toml::Table>, TrustError> {
    let text = file::read(&host.real(path))?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
}

/// What one file says, unless it says nothing.
fn named_paths(config: &toml::Table) -> Option<&str> {
    let path = |plugin: &&str| config.get("plugins")?.get(*plugin)?.get("registry")?.get("config_path")?.as_str();
    PLUGINS.iter().filter_map(path).find(|paths| !paths.is_empty())
}

/// The files that a file imports, in their order: absolute or next to it, with shell patterns.
fn imports(host: &Host, from: &Path, config: &toml::Table) -> Vec<PathBuf> {
    let patterns = config.get("imports").and_then(toml::Value::as_array).into_iter().flatten();
    let directory = from.parent().unwrap_or(Path::new("/"));
    let root = host.real("/".as_ref());
    let found = patterns.filter_map(toml::Value::as_str).flat_map(|pattern| {
        // An absolute pattern replaces the directory.
        let wanted = directory.join(pattern);
        let below = wanted.strip_prefix("/").unwrap_or(&wanted);
        let pattern = Path::new(&glob::Pattern::escape(&root.to_string_lossy())).join(below);
        glob::glob(&pattern.to_string_lossy()).into_iter().flatten().filter_map(Result::ok).collect::<Vec<_>>()
    });
    found.filter_map(|real| Some(Path::new("/").join(real.strip_prefix(&root).ok()?))).collect()
}

/// Where the CA of `name` goes: containerd takes the first directory that exists for it, in the first path that has one.
pub(crate) fn location(host: &Host, config_paths: &[PathBuf], name: &str) -> Option<CertsLocation> {
    let candidates = |root: &PathBuf| [underscored(name).map(|name| root.join(name)), Some(root.join(name))];
    let existing = config_paths.iter().flat_map(candidates).flatten().find(|directory| host.real(directory).is_dir());
    let directory = existing.or_else(|| config_paths.first().map(|root| root.join(name)))?;
    let hosts_file = directory.join("hosts.toml");
    Some(if host.real(&hosts_file).exists() {
        CertsLocation::HostsFile(hosts_file)
    } else {
        CertsLocation::Directory(directory)
    })
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
    fn imports_are_followed_and_the_last_word_counts() {
        let (root, host) = host("version = 2\nimports = ['conf.d/*.toml', '/opt/containerd.toml', '/absent/*']\n");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let naming =
            |path: &str| format!("[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{path}\"\n");
        write("etc/containerd/conf.d/10-registry.toml", &naming("/from-conf.d"));
        write("etc/containerd/conf.d/20-other.toml", "[plugins.other]\nx = 1\n");
        assert_eq!(config_paths(&host).unwrap(), [PathBuf::from("/from-conf.d")]);
        write("opt/containerd.toml", &format!("imports = ['/etc/containerd/config.toml']\n{}", naming("/from-opt")));
        assert_eq!(config_paths(&host).unwrap(), [PathBuf::from("/from-opt")]);
    }

    #[test]
    fn the_directory_that_containerd_finds_first_counts() {
        let (root, host) = host("");
        let paths = [PathBuf::from("/a"), PathBuf::from("/b")];
        assert_eq!(location(&host, &[], "r:5000"), None);
        assert_eq!(location(&host, &paths, "r:5000"), Some(CertsLocation::Directory("/a/r:5000".into())));
        fs::create_dir_all(root.path().join("b/r_5000_")).unwrap();
        assert_eq!(location(&host, &paths, "r:5000"), Some(CertsLocation::Directory("/b/r_5000_".into())));
        fs::create_dir_all(root.path().join("a/r:5000")).unwrap();
        fs::write(root.path().join("a/r:5000/hosts.toml"), "").unwrap();
        assert_eq!(location(&host, &paths, "r:5000"), Some(CertsLocation::HostsFile("/a/r:5000/hosts.toml".into())));
    }

    #[test]
    fn the_usual_place_counts_wherever_containerd_is_installed() {
        let usual = || CertsLocation::Directory("/etc/containerd/certs.d/r:5000".into());
        let naming = |path: &str| format!("[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '{path}'\n");
        for config in [String::new(), naming("/etc/containerd/certs.d"), naming("/a:/etc/docker/certs.d")] {
            let (_root, host) = host(&config);
            let places = locations(&host, "r:5000").unwrap();
            assert!(places.contains(&usual()), "{config}: {places:?}");
            assert_eq!(places.len(), if config.contains("/a") { 2 } else { 1 }, "{config}: {places:?}");
        }
        let bare = tempfile::tempdir().unwrap();
        assert_eq!(locations(&Host::at(bare.path()), "r:5000").unwrap(), []);
        fs::create_dir_all(bare.path().join("usr/bin")).unwrap();
        fs::write(bare.path().join("usr/bin/containerd"), "").unwrap();
        assert_eq!(locations(&Host::at(bare.path()), "r:5000").unwrap(), [usual()]);
    }
}
