//! Settings left over from before the CA was trusted, which switch verification off for this registry.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde_json::Value;

use super::{Examined, docker, insecure_containerd};
use crate::doctor::finding::Finding;
use crate::trust::file;

const CHECK: &str = "insecure";
/// Files that can contain dockerd's flags.
const FLAG_FILES: [&str; 4] = [
    "/etc/systemd/system/docker.service",
    "/etc/systemd/system/docker.service.d",
    "/etc/default/docker",
    "/etc/sysconfig/docker",
];

pub(super) fn check(examined: &Examined, addresses: &[SocketAddr]) -> Vec<Finding> {
    let mut findings = in_daemon_json(examined, addresses);
    findings.extend(in_flags(examined, addresses));
    findings.extend(in_registries_conf(examined));
    findings.extend(insecure_containerd::check(examined));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "no setting switches verification off for this registry"));
    }
    findings
}

/// The finding for a setting; `fix` removes it.
pub(super) fn insecure_setting(what: impl AsRef<str>, fix: impl AsRef<str>) -> Finding {
    Finding::problem(
        CHECK,
        what,
        "the client accepts any certificate, or plain HTTP: an attacker in between can read passwords and change images",
        fix,
    )
}

fn in_daemon_json(examined: &Examined, addresses: &[SocketAddr]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, json) in docker::daemon_json(examined) {
        let entries = json["insecure-registries"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for entry in entries.filter(|entry| names(examined, entry, addresses)) {
            let path = path.display();
            findings.push(insecure_setting(
                format!("{path} lists {entry:?} under insecure-registries"),
                format!("remove {entry:?} from insecure-registries in {path}, then: systemctl reload docker"),
            ));
        }
    }
    findings
}

fn in_flags(examined: &Examined, addresses: &[SocketAddr]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in FLAG_FILES.iter().flat_map(|path| files(examined, path)) {
        let Some(text) = read(examined, &path) else { continue };
        for entry in text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(flags) {
            if names(examined, &entry, addresses) {
                let path = path.display();
                findings.push(insecure_setting(
                    format!("{path} starts docker with --insecure-registry {entry}"),
                    format!("remove that flag from {path}, then: systemctl daemon-reload && systemctl restart docker"),
                ));
            }
        }
    }
    findings
}

/// The values of `--insecure-registry VALUE` and `--insecure-registry=VALUE`.
fn flags(line: &str) -> Vec<String> {
    let parts = line.split("--insecure-registry").skip(1);
    parts
        .filter_map(|rest| rest.trim_start_matches(['=', ' ']).split([' ', '"', '\'', '\\']).next())
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether an entry of docker's names the registry: by its name, or by a network that contains its address.
fn names(examined: &Examined, entry: &str, addresses: &[SocketAddr]) -> bool {
    if let Ok(network) = entry.parse::<IpNet>() {
        return addresses.iter().any(|address| network.contains(&address.ip()));
    }
    let entry = entry.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    is_registry(examined, entry)
}

/// Whether a text is the registry's name; the default port is 443.
pub(super) fn is_registry(examined: &Examined, name: &str) -> bool {
    let (name, registry) = (name.to_ascii_lowercase(), &examined.registry);
    name == registry.written() || name == registry.address() || format!("{name}:443") == registry.address()
}

/// podman and the tools that share its configuration: `insecure = true`, and the list of the older format.
fn in_registries_conf(examined: &Examined) -> Vec<Finding> {
    let home = examined.home.as_ref().map(|home| home.home.join(".config/containers").display().to_string());
    let directories = std::iter::once("/etc/containers".to_owned()).chain(home);
    let paths = directories.flat_map(|dir| {
        let mut paths = files(examined, &format!("{dir}/registries.conf"));
        paths.extend(files(examined, &format!("{dir}/registries.conf.d")));
        paths
    });
    let mut findings = Vec::new();
    for path in paths {
        let Some(table) = read(examined, &path).and_then(|text| text.parse::<toml::Table>().ok()) else { continue };
        if is_insecure_in(examined, &table) {
            let path = path.display();
            findings.push(insecure_setting(
                format!("{path} sets insecure = true for this registry"),
                format!("remove insecure = true for {} from {path}; no restart is needed", examined.registry.written()),
            ));
        }
    }
    findings
}

fn is_insecure_in(examined: &Examined, table: &toml::Table) -> bool {
    let entries = table.get("registry").and_then(toml::Value::as_array).into_iter().flatten();
    let named = |entry: &toml::Value| {
        let mut texts = ["prefix", "location"].into_iter().filter_map(|key| entry.get(key)?.as_str());
        texts.any(|text| is_registry(examined, text.split('/').next().unwrap_or_default()))
    };
    let insecure = |entry: &toml::Value| entry.get("insecure").and_then(toml::Value::as_bool) == Some(true);
    let old = table.get("registries").and_then(|table| table.get("insecure")?.get("registries")?.as_array());
    entries.into_iter().any(|entry| insecure(entry) && named(entry))
        || old.into_iter().flatten().filter_map(toml::Value::as_str).any(|name| is_registry(examined, name))
}

/// The file itself, or the files of a directory, in order.
fn files(examined: &Examined, path: &str) -> Vec<PathBuf> {
    let path = PathBuf::from(path);
    let Ok(entries) = fs::read_dir(examined.host.real(&path)) else { return vec![path] };
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| path.join(entry.file_name())).collect();
    files.sort();
    files
}

/// A file of the host, as text.
pub(super) fn read(examined: &Examined, path: &std::path::Path) -> Option<String> {
    let real = examined.host.real(path);
    let bytes = if real.is_file() { file::read(&real).ok()?? } else { return None };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_in_both_forms() {
        let line = "ExecStart=/usr/bin/dockerd --insecure-registry=r.test:5000 --insecure-registry 10.0.0.0/8 -H fd://";
        assert_eq!(flags(line), ["r.test:5000", "10.0.0.0/8"]);
        assert_eq!(flags("OPTIONS='--insecure-registry r.test:5000'"), ["r.test:5000"]);
        assert!(flags("ExecStart=/usr/bin/dockerd").is_empty());
    }
}
