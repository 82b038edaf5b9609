//! Docker: its stores, and the versions that ignore them when they fetch a token.

use std::path::PathBuf;

use serde_json::Value;

use super::stores::{Store, in_directory, system_trusts, trust_finding};
use super::{Chain, Examined, program};
use crate::doctor::finding::{Finding, State};
use crate::trust::file;
use crate::trust::host::InstallScope;

pub(super) const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// The system's docker, and the rootless one if the user has created a directory for its CAs.
pub(super) fn stores(examined: &Examined, chain: &Chain, system: &Store) -> Vec<Finding> {
    if !is_installed(examined) {
        return Vec::new();
    }
    let name = examined.registry.written();
    let mut findings = Vec::new();
    for scope in examined.scopes() {
        let path = scope.docker_certs().join(name);
        let rootless = matches!(scope, InstallScope::User(_));
        if rootless && !examined.host.real(&path).is_dir() {
            continue;
        }
        let tool = if rootless { "rootless docker" } else { "docker" };
        findings.push(trust_finding(examined, "docker", tool, (&in_directory(examined, &path), system), chain));
    }
    one_of_two(findings)
}

/// If one of the two dockers trusts the registry, the other is only worth a warning: it may not run at all.
fn one_of_two(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.iter().any(|finding| finding.state == State::Ok) {
        for finding in findings.iter_mut().filter(|finding| finding.state == State::Problem) {
            finding.state = State::Warning;
        }
    }
    findings
}

fn is_installed(examined: &Examined) -> bool {
    ["docker", "dockerd"].iter().any(|name| program::find(examined, name).is_some())
}

/// Versions that ignore `certs.d` when they fetch a token (moby 52361): every 29 before 29.5, and 28 with the containerd image store.
pub(super) async fn check(examined: &Examined, chain: Option<&Chain>, challenge: Option<&str>) -> Vec<Finding> {
    if !is_installed(examined) {
        return Vec::new();
    }
    let Some(version) = version(examined).await else {
        return vec![Finding::unknown("docker-tokens", "docker is installed, but does not report its version")];
    };
    let (major, minor, patch) = version;
    let docker = format!("docker {major}.{minor}.{patch}");
    let affected = match version {
        (29, minor, _) => minor < 5,
        (28, ..) => uses_containerd_store(examined).await,
        _ => false,
    };
    let by_system = chain.is_some_and(|chain| system_trusts(examined, chain));
    let basic = challenge.is_some_and(|challenge| challenge.trim_start().to_lowercase().starts_with("basic"));
    if !affected {
        return vec![Finding::ok("docker-tokens", format!("{docker} uses certs.d for tokens too"))];
    }
    if by_system || basic {
        let reason = if by_system {
            "the operating system's store trusts the registry"
        } else {
            "the registry uses Basic authentication"
        };
        return vec![Finding::ok("docker-tokens", format!("{docker} ignores certs.d for tokens, but {reason}"))];
    }
    vec![Finding::problem(
        "docker-tokens",
        format!("{docker} ignores certs.d when it fetches a token"),
        "docker login works, but push and pull fail with x509: certificate signed by unknown authority",
        format!(
            "upgrade docker to 29.5 or newer; or {}, then systemctl restart docker; or set auth.challenge = \"basic\" on the registry",
            examined.system_command()
        ),
    )]
}

/// The daemon's version, if any program reports it.
async fn version(examined: &Examined) -> Option<(u32, u32, u32)> {
    let questions: [(&str, &[&str]); 3] = [
        ("docker", &["version", "--format", "{{.Server.Version}}"]),
        ("dockerd", &["--version"]),
        ("docker", &["--version"]),
    ];
    for (program, arguments) in questions {
        if let Some(said) = program::ask(examined, program, arguments).await
            && let Some(version) = parse(&said)
        {
            return Some(version);
        }
    }
    None
}

/// The first word that looks like `28.2.2`.
fn parse(said: &str) -> Option<(u32, u32, u32)> {
    said.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut numbers = word.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), patch) => Some((major, minor, patch.and_then(Result::ok).unwrap_or(0))),
            _ => None,
        }
    })
}

/// As the daemon reports, otherwise as configured.
async fn uses_containerd_store(examined: &Examined) -> bool {
    if let Some(said) = program::ask(examined, "docker", &["info", "--format", "{{json .DriverStatus}}"]).await
        && said.trim_start().starts_with('[')
    {
        return said.contains("io.containerd.snapshotter");
    }
    let configured = |(_, json): (PathBuf, Value)| json["features"]["containerd-snapshotter"] == true;
    daemon_json(examined).into_iter().any(configured)
}

/// Every `daemon.json` that can be read, with its path on the host.
pub(super) fn daemon_json(examined: &Examined) -> Vec<(PathBuf, Value)> {
    let users = examined.home.as_ref().map(|home| home.config.join("docker/daemon.json"));
    let paths = std::iter::once(PathBuf::from(DAEMON_JSON)).chain(users);
    let read = |path: PathBuf| {
        let bytes = file::read(&examined.host.real(&path)).ok()??;
        Some((path, serde_json::from_slice(&bytes).ok()?))
    };
    paths.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_docker_says() {
        assert_eq!(parse("28.2.2\n"), Some((28, 2, 2)));
        assert_eq!(parse("Docker version 29.5.0-rc.1, build e6534b4"), Some((29, 5, 0)));
        assert_eq!(parse("29.4"), Some((29, 4, 0)));
        assert_eq!(parse("Cannot connect to the Docker daemon"), None);
    }
}
