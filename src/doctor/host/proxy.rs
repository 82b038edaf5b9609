//! Proxies that would intercept connections to the registry: this program bypasses them, other clients do not.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::insecure::read;
use super::no_proxy::is_exempt;
use super::{Examined, docker};
use crate::doctor::finding::Finding;

const CHECK: &str = "proxy";
/// Where systemd's drop-ins for docker are.
const DROP_INS: [&str; 2] = ["/etc/systemd/system/docker.service.d", "/usr/lib/systemd/system/docker.service.d"];

/// A proxy for HTTPS, its exceptions, and who uses it.
struct Setting {
    place: String,
    who: &'static str,
    proxy: String,
    no_proxy: String,
    /// How to add an exception there.
    fix: String,
}

pub(super) fn check(examined: &Examined, addresses: &[SocketAddr]) -> Vec<Finding> {
    if !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()) {
        return Vec::new();
    }
    let (host, port) = (examined.registry.host(), examined.registry.port());
    let settings = of_environment(examined).into_iter().chain(of_systemd(examined)).chain(of_daemon_json(examined));
    let used = settings.filter(|setting| !is_exempt(&setting.no_proxy, host, port));
    let mut findings: Vec<Finding> = used.map(|setting| finding(host, &setting)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "no proxy is configured for connections to this registry"));
    }
    findings
}

fn finding(host: &str, setting: &Setting) -> Finding {
    Finding::warning(
        CHECK,
        format!(
            "{} sends {} to {host} through the proxy {}",
            setting.place,
            setting.who,
            without_secrets(&setting.proxy)
        ),
        "doctor bypasses it: if the proxy cannot reach the registry, or terminates TLS itself, clients fail even if all other checks pass",
        &setting.fix,
    )
}

/// A proxy's address without name and password.
fn without_secrets(proxy: &str) -> &str {
    proxy.rsplit_once('@').map_or(proxy, |(_, host)| host)
}

fn of_environment(examined: &Examined) -> Option<Setting> {
    let either = |one: &str, other: &str| examined.variable(one).or_else(|| examined.variable(other));
    let proxy = either("HTTPS_PROXY", "https_proxy").or_else(|| either("ALL_PROXY", "all_proxy"))?;
    let no_proxy = either("NO_PROXY", "no_proxy").unwrap_or_default();
    Some(Setting {
        place: "this shell's environment".to_owned(),
        who: "podman, skopeo, curl and docker's builds",
        proxy: proxy.to_owned(),
        no_proxy: no_proxy.to_owned(),
        fix: format!("export NO_PROXY={}", joined(no_proxy, examined.registry.host())),
    })
}

fn joined(no_proxy: &str, host: &str) -> String {
    if no_proxy.is_empty() { host.to_owned() } else { format!("{no_proxy},{host}") }
}

fn of_systemd(examined: &Examined) -> Option<Setting> {
    let (mut proxy, mut no_proxy, mut place) = (None, String::new(), PathBuf::new());
    for path in DROP_INS.iter().flat_map(|dir| files(examined, dir)) {
        let Some(text) = read(examined, &path) else { continue };
        for (name, value) in text.lines().filter_map(|line| line.trim().strip_prefix("Environment=")).flat_map(pairs) {
            match name.to_ascii_uppercase().as_str() {
                "HTTPS_PROXY" => (proxy, place) = (Some(value), path.clone()),
                "NO_PROXY" => no_proxy = value,
                _ => {}
            }
        }
    }
    let joined = joined(&no_proxy, examined.registry.host());
    let fix = format!(
        "write Environment=\"NO_PROXY={joined}\" into {}, then: systemctl daemon-reload && systemctl restart docker",
        place.display()
    );
    let place = place.display().to_string();
    proxy.filter(|proxy| !proxy.is_empty()).map(|proxy| Setting { place, who: "docker", proxy, no_proxy, fix })
}

/// `"A=b" 'C=d' E=f`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let words = text.split(['"', '\'']).flat_map(str::split_whitespace);
    words.filter_map(|word| word.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn of_daemon_json(examined: &Examined) -> Vec<Setting> {
    let settings = docker::daemon_json(examined).into_iter().filter_map(|(path, json)| {
        let text = |key: &str| json["proxies"][key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (proxy, no_proxy) = (text("https-proxy")?, text("no-proxy").unwrap_or_default());
        let place = path.display().to_string();
        let joined = Value::from(joined(&no_proxy, examined.registry.host()));
        let fix = format!("set \"no-proxy\": {joined} under proxies in {place}, then: systemctl restart docker");
        Some(Setting { place, who: "docker", proxy, no_proxy, fix })
    });
    settings.collect()
}

fn files(examined: &Examined, directory: &str) -> Vec<PathBuf> {
    let directory = PathBuf::from(directory);
    let entries = fs::read_dir(examined.host.real(&directory)).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries.map(|entry| directory.join(entry.file_name())).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_settings_are_parsed_and_secrets_left_out() {
        let line = "\"HTTPS_PROXY=http://u:p@proxy:3128\" \"NO_PROXY=a.test,b.test\"";
        let pairs = pairs(line);
        assert_eq!(pairs[1], ("NO_PROXY".to_owned(), "a.test,b.test".to_owned()));
        assert_eq!(without_secrets(&pairs[0].1), "proxy:3128");
        assert_eq!((joined("", "r.test"), joined("a", "r.test")), ("r.test".into(), "a,r.test".into()));
    }
}
