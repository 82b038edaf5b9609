//! Three CAs that must be one: the one that was pinned on this host, the one that the registry hands out, and the one that signed
//! what is presented. Where they differ, somebody stands in between, or the registry has a new CA.

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
    findings.extend(handed_out(examined, chain).await);
    findings
}

/// What `portcullis trust` wrote on this host, against what is presented.
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
        if chain.is_vouched_for(&roots, &name) {
            return Some(Finding::ok(
                CHECK,
                format!("the CA that was pinned on this host ({pin}) signed what is presented"),
            ));
        }
        return Some(Finding::problem(
            CHECK,
            format!(
                "what is presented was not signed by the CA that was pinned on this host ({pin}), but by {}",
                signer(chain)
            ),
            "a man in the middle, a proxy that intercepts TLS, or a registry with a new CA: only its administrator knows which",
            examined.trust_command(" --replace"),
        ));
    }
    None
}

/// What the registry hands out as its CA, against what is presented. Neither is verified; they can only contradict each other.
async fn handed_out(examined: &Examined, chain: &Chain) -> Option<Finding> {
    let name = examined.registry.server_name()?;
    let fetched = tokio::time::timeout(
        examined.limit,
        authority_file::fetch(&examined.registry, authority_file::CaSource::Unverified),
    )
    .await;
    let der = match fetched {
        Ok(Ok(der)) => der,
        Ok(Err(TrustError::NoAuthorityFile { status, .. })) => {
            return Some(Finding::ok(CHECK, format!("the registry hands out no CA of its own (it answers {status})")));
        }
        Ok(Err(error)) => {
            let error = error.to_string();
            let error = error.trim_end_matches(". Nothing was written");
            return Some(Finding::unknown(CHECK, format!("the registry's CA file was not fetched: {error}")));
        }
        Err(_) => return Some(Finding::unknown(CHECK, "the registry's CA file did not come in time")),
    };
    let fingerprint = Fingerprint::of_der(&der);
    if chain.is_vouched_for(&[der], &name) {
        return Some(Finding::ok(
            CHECK,
            format!(
                "the registry hands out the CA that signed what it presents; presented, not verified: {fingerprint}"
            ),
        ));
    }
    Some(Finding::problem(
        CHECK,
        format!(
            "the registry hands out the CA {fingerprint} (not verified), but {} signed what is presented",
            signer(chain)
        ),
        "something between this host and the registry ends TLS with a certificate of its own: a proxy, or a man in the middle",
        format!(
            "find out what answers at {}: compare `portcullis cert show` on the registry with the SHA-256 under \"tls\" above",
            examined.registry.address()
        ),
    ))
}

fn signer(chain: &Chain) -> String {
    chain.summaries().last().map(|last| last.issuer.clone()).unwrap_or_default()
}
