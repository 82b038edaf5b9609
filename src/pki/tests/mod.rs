//! Stories about the authority and what it signs, judged by rustls and by openssl.

mod authority;
mod chains;
mod constraints;
mod given_files;
mod identity;
mod ordered;
mod pair;
mod rotation;
mod seal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    CertificateParams, CertifiedKey, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{RootCertStore, client::danger::ServerCertVerified};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::leaf::LeafOutcome;
use super::*;
use crate::domain::{Clock, Fingerprint};

pub(crate) fn names(texts: &[&str]) -> Vec<SubjectName> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

/// What a rustls client that trusts `root` says to a server that shows `chain` under `name`.
fn client_accepts(
    root: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    name: &str,
) -> Result<ServerCertVerified, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone().into_owned()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now())
}

/// Imports a pair of files.
pub(crate) fn imported(data_dir: &Path, chain: &Path, key: &Path) -> Result<CertificateSummary, PkiError> {
    Ok(import(data_dir, &OperatorFiles::read(chain, key)?, Clock::system().now())?.summary().clone())
}

/// The operator has deleted the imported pair.
pub(crate) fn remove_import(data_dir: &Path) {
    let paths = PkiPaths::new(data_dir);
    for path in [paths.imported_chain(), paths.imported_key()] {
        std::fs::remove_file(path).unwrap();
    }
}

/// Someone who has stolen a CA key and signs whatever they like with it.
fn forge(ca_pem: &Path, ca_key: &Path, alternative: Vec<SanType>, is_ca: IsCa) -> CertifiedKey<KeyPair> {
    let stolen = KeyPair::from_pem(&std::fs::read_to_string(ca_key).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&std::fs::read_to_string(ca_pem).unwrap(), stolen).unwrap();
    let signing_key = KeyPair::generate().unwrap();
    let mut params = in_time();
    params.subject_alt_names = alternative;
    if matches!(is_ca, IsCa::Ca(_)) {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    params.is_ca = is_ca;
    let cert = params.signed_by(&signing_key, &issuer).unwrap();
    CertifiedKey { cert, signing_key }
}

/// Parameters of a certificate that is valid today and for the next days.
pub(crate) fn in_time() -> CertificateParams {
    let mut params = CertificateParams::default();
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - time::Duration::days(1), now + time::Duration::days(30));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // An issuer with the name of its subject would count as its own issuer.
    params.distinguished_name.push(DnType::CommonName, format!("test {:08x}", rand::random::<u32>()));
    params
}

pub(crate) fn alternative(text: &str) -> SanType {
    match text.parse().unwrap() {
        SubjectName::Dns(host) => SanType::DnsName(host.try_into().unwrap()),
        SubjectName::Ip(ip) => SanType::IpAddress(ip),
    }
}

/// A self-made certificate with its key in two files, as an operator would bring them.
pub(crate) fn operators_pair(dir: &Path, params: &CertificateParams) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let pair = (dir.join("server.pem"), dir.join("server.key"));
    write_public(&pair.0, params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
    write_key(&pair.1, key.serialize_pem().as_bytes()).unwrap();
    pair
}

pub(crate) fn operators_params() -> CertificateParams {
    let mut params = in_time();
    params.subject_alt_names = vec![alternative("given.test")];
    params
}
