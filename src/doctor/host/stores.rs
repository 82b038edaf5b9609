//! Where each installed client looks for a CA, and whether the CAs there signed what the registry presents.

use std::fs;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;

use super::{Chain, Examined, containers, docker, program};
use crate::doctor::finding::Finding;
use crate::pki::{PemItem, PemText};
use crate::trust::file;
use crate::trust::os_store::OsStore;

/// The bundle of the operating system's store, in each family of distributions.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Programs that read only the operating system's store.
const OF_THE_SYSTEM: [&str; 8] = ["curl", "crane", "oras", "helm", "cosign", "regctl", "buildctl", "docker-buildx"];
/// Where docker keeps its plugins, which are not in `PATH`.
const PLUGINS: [&str; 3] =
    ["/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins"];

/// A file or directory with CAs in it.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Where, on the host.
    pub(super) path: PathBuf,
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// A file there that makes docker and podman fail: a `.cert` without its `.key`.
    pub(super) stray: Option<PathBuf>,
}

pub(super) fn check(examined: &Examined, chain: &Chain) -> Vec<Finding> {
    // Daemons do not see the shell's variables.
    let (system, shell) = (of_the_system(examined), of_the_shell(examined));
    let mut findings = docker::stores(examined, chain, &system);
    findings.extend(containers::podman(examined, chain, &shell));
    findings.extend(containers::containerd(examined, chain, &system));
    if findings.is_empty() {
        findings.push(Finding::warning(
            "stores",
            "no container tool is installed here (docker, podman, skopeo, buildah, CRI-O, containerd)",
            "nothing on this host pulls or pushes images",
            "run doctor on the host whose tools fail",
        ));
    }
    findings.push(system_finding(examined, chain, &shell));
    findings
}

/// Whether any root of `stores` signed the chain.
pub(super) fn is_trusted(examined: &Examined, chain: &Chain, stores: &[&Store]) -> bool {
    let roots: Vec<_> = stores.iter().flat_map(|store| store.roots.iter().cloned()).collect();
    examined.registry.server_name().is_some_and(|name| chain.is_trusted_by(&roots, &name))
}

/// Whether a client trusts the registry: its own store counts together with the operating system's.
pub(super) fn trust_finding(
    examined: &Examined,
    check: &'static str,
    tool: &str,
    (own, system): (&Store, &Store),
    chain: &Chain,
) -> Finding {
    let path = own.path.display();
    if let Some(stray) = &own.stray {
        return Finding::problem(
            check,
            format!("{} has no .key next to it", stray.display()),
            format!("{tool} treats a .cert as a client certificate, and fails; the name of a CA file ends in .crt"),
            format!("mv {} {}", stray.display(), stray.with_extension("crt").display()),
        );
    }
    if is_trusted(examined, chain, &[own]) {
        return Finding::ok(check, format!("trusted by {tool}: the registry's CA is in {path}"));
    }
    if is_trusted(examined, chain, &[system]) {
        return Finding::ok(check, format!("trusted by {tool}: the registry's CA is in {}", system.path.display()));
    }
    let (what, more) = if own.roots.is_empty() {
        (format!("not trusted by {tool}: {path} contains no CA"), "")
    } else {
        (format!("not trusted by {tool}: the CA in {path} did not sign the registry's certificate"), " --replace")
    };
    let why = "pull, push and login fail with x509: certificate signed by unknown authority";
    Finding::problem(check, what, why, examined.trust_command(more))
}

/// The CAs in a directory of `certs.d`.
pub(super) fn in_directory(examined: &Examined, path: &Path) -> Store {
    let mut store = Store { path: path.to_owned(), ..Store::default() };
    let entries = fs::read_dir(examined.host.real(path)).into_iter().flatten().filter_map(Result::ok);
    for name in entries.map(|entry| entry.file_name()) {
        let file = path.join(name);
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => store.roots.extend(certificates(examined, &file)),
            Some("cert") if !examined.host.real(&file.with_extension("key")).exists() => store.stray = Some(file),
            _ => {}
        }
    }
    store
}

/// The certificates of a PEM file of the host; none if it cannot be read.
pub(super) fn certificates(examined: &Examined, path: &Path) -> Vec<CertificateDer<'static>> {
    let Ok(Some(pem)) = file::read(&examined.host.real(path)) else { return Vec::new() };
    let items = PemText::read(&pem).map(|text| text.items).unwrap_or_default();
    items.into_iter().filter(PemItem::is_certificate).map(|item| item.der.to_vec().into()).collect()
}

/// The operating system's store.
fn of_the_system(examined: &Examined) -> Store {
    let bundle = BUNDLES.iter().map(PathBuf::from).find(|path| examined.host.real(path).is_file());
    let path = bundle.unwrap_or_else(|| PathBuf::from(BUNDLES[0]));
    Store { roots: certificates(examined, &path), path, stray: None }
}

/// The file that `SSL_CERT_FILE` names instead, for programs started from the shell.
fn of_the_shell(examined: &Examined) -> Store {
    let Some(path) = examined.variable("SSL_CERT_FILE").map(PathBuf::from) else { return of_the_system(examined) };
    Store { roots: certificates(examined, &path), path, stray: None }
}

/// Whether the operating system's store trusts the chain.
pub(super) fn system_trusts(examined: &Examined, chain: &Chain) -> bool {
    is_trusted(examined, chain, &[&of_the_system(examined)])
}

/// The command that adds the CA that `trust` put into the store's directory, if the bundle lacks it.
fn not_in_bundle(examined: &Examined, chain: &Chain) -> Option<String> {
    let store = OsStore::detect(&examined.host).ok()?;
    let path = store.file(&examined.registry);
    let roots = certificates(examined, &path);
    let own = Store { path, roots, stray: None };
    is_trusted(examined, chain, &[&own]).then(|| format!("{}: {} is there", store.command(), own.path.display()))
}

fn system_finding(examined: &Examined, chain: &Chain, system: &Store) -> Finding {
    let path = system.path.display();
    if is_trusted(examined, chain, &[system]) {
        return Finding::ok(
            "os-store",
            format!("the registry's CA is in {path}: curl, crane, oras, helm and others trust it"),
        );
    }
    let is_plugin = |name: &str| PLUGINS.iter().any(|dir| examined.host.real(dir.as_ref()).join(name).is_file());
    let readers: Vec<&str> =
        OF_THE_SYSTEM.into_iter().filter(|name| program::find(examined, name).is_some() || is_plugin(name)).collect();
    if readers.is_empty() {
        return Finding::ok(
            "os-store",
            format!("the registry's CA is not in {path}, and no installed tool needs it there"),
        );
    }
    Finding::warning(
        "os-store",
        format!("the registry's CA is not in {path}"),
        format!("these read only this store, and fail (buildx only when it fetches tokens): {}", readers.join(", ")),
        not_in_bundle(examined, chain).unwrap_or_else(|| examined.system_command()),
    )
}
