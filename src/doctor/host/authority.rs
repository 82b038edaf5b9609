//! Three CAs that must be the same: the one pinned on this host, the one that the registry publishes, and the one that signed the
//! presented certificate. If they differ, something intercepts the connection, or the registry has a new CA.

use rustls_pki_types::CertificateDer;

use super::stores::certificates;
use super::{Chain, Examined};
use crate::doctor::finding::Finding;
use crate::domain::net::Fingerprint;
use crate::trust::authority_file;
use crate::trust::error::TrustError;
use crate::trust::install_record::InstallRecord;

const CHECK: &str = "authority";

pub(super) async fn check(examined: &Examined, chain: &Chain) -> Vec<Finding> {
    let mut findings: Vec<Finding> = pinned(examined, chain).into_iter().collect();
    findings.extend(published(examined, chain).await);
    findings
}

/// The CA that `portcullis trust` installed on this host against the presented certificate.
fn pinned(examined: &Examined, chain: &Chain) -> Option<Finding> {
    let name = examined.registry.server_name()?;
    for scope in examined.scopes() {
        let path = InstallRecord::path(&scope, &examined.registry);
        let Ok(Some(manifest)) = InstallRecord::load(&examined.host.real(&path)) else { continue };
        let written = manifest.files.iter().flat_map(|file| certificates(examined, &file.path));
        let roots: Vec<CertificateDer<'static>> =
            written.filter(|der| Fingerprint::of_der(der).to_string() == manifest.ca_sha256).collect();
        if roots.is_empty() {
            continue;
        }
        let pin = &manifest.ca_sha256;
        if chain.is_trusted_by(&roots, &name) {
            return Some(Finding::ok(
                CHECK,
                format!("the CA pinned on this host ({pin}) signed the presented certificate"),
            ));
        }
        return Some(Finding::problem(
            CHECK,
            format!(
                "the presented certificate was not signed by the CA pinned on this host ({pin}), but by {}",
                signer(chain)
            ),
            "a man in the middle, a proxy that intercepts TLS, or a registry with a new CA: only its administrator can tell",
            examined.trust_command(" --replace"),
        ));
    }
    None
}

/// The CA that the registry publishes against the presented certificate. Neither is verified; they can only contradict each other.
async fn published(examined: &Examined, chain: &Chain) -> Option<Finding> {
    let name = examined.registry.server_name()?;
    let der = match authority_file::fetch_unverified(&examined.registry, examined.limit).await {
        Ok(der) => der,
        Err(TrustError::NoAuthorityFile { status, .. }) => {
            return Some(Finding::ok(CHECK, format!("the registry publishes no CA (it answers {status})")));
        }
        Err(TrustError::Slow { .. }) => {
            return Some(Finding::unknown(CHECK, "fetching the registry's CA file timed out"));
        }
        Err(error) => {
            let error = error.to_string();
            let error = error.trim_end_matches(". Nothing was written");
            return Some(Finding::unknown(CHECK, format!("cannot fetch the registry's CA file: {error}")));
        }
    };
    let fingerprint = Fingerprint::of_der(&der);
    if chain.is_trusted_by(&[der], &name) {
        return Some(Finding::ok(
            CHECK,
            format!("the registry publishes the CA that signed its certificate (not verified): {fingerprint}"),
        ));
    }
    Some(Finding::problem(
        CHECK,
        format!(
            "the registry publishes the CA {fingerprint} (not verified), but {} signed the presented certificate",
            signer(chain)
        ),
        "something between this host and the registry terminates TLS with its own certificate: a proxy, or a man in the middle",
        format!(
            "find out what answers at {}: compare `portcullis cert show` on the registry with the SHA-256 under \"tls\" above",
            examined.registry.address()
        ),
    ))
}

fn signer(chain: &Chain) -> String {
    chain.summaries().last().map(|last| last.issuer.clone()).unwrap_or_default()
}
