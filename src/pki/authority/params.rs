//! What is in the certificates that the authority makes.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType, SerialNumber,
};

use crate::pki::certificate::permitted_names::PermittedNames;
use crate::pki::certificate::subject_name::SubjectName;
use crate::pki::error::PkiError;
use crate::pki::lifetime::{ISSUING_LIFE, LEAF_LIFE, ROOT_LIFE, validity};

/// Of a new root, which signs itself.
pub(super) fn root_params(permitted: &PermittedNames, now: Timestamp) -> CertificateParams {
    ca_params("root", (now, ROOT_LIFE, None), 2, permitted)
}

/// Of the certificate in which another root vouches for a new root's key until then: the same subject, key and constraints.
pub(super) fn cross_params(root: &CertificateParams, until: Timestamp, now: Timestamp) -> CertificateParams {
    let mut params = root.clone();
    (params.not_before, params.not_after) = validity(now, ROOT_LIFE, Some(until));
    params.serial_number = Some(serial_number());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.use_authority_key_identifier_extension = true;
    params
}

/// Of an issuing certificate below a root that ends then.
pub(super) fn issuing_params(root_ends: Timestamp, permitted: &PermittedNames, now: Timestamp) -> CertificateParams {
    let mut params = ca_params("issuing", (now, ISSUING_LIFE, Some(root_ends)), 0, permitted);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca_params(
    role: &str,
    (now, life, issuer_ends): (Timestamp, Duration, Option<Timestamp>),
    path_length: u8,
    permitted: &PermittedNames,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(now, life, issuer_ends);
    // Roots of several registries are stored side by side in one trust store: their names must differ.
    params.distinguished_name = common_name(&format!("Portcullis {role} CA {:08x}", rand::random::<u32>()));
    params.serial_number = Some(serial_number());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = permitted.to_extension();
    params
}

/// Of a server certificate below an issuing certificate that ends then.
pub(super) fn leaf_params(
    names: &[SubjectName],
    issuer_ends: Timestamp,
    now: Timestamp,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(now, LEAF_LIFE, Some(issuer_ends));
    // No host name here: OpenSSL checks a common name that looks like one against the constraints.
    params.distinguished_name = common_name("Portcullis registry server");
    params.serial_number = Some(serial_number());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = names.iter().map(alternative_name).collect::<Result<_, _>>()?;
    Ok(params)
}

fn alternative_name(name: &SubjectName) -> Result<SanType, PkiError> {
    Ok(match name {
        SubjectName::Dns(host) => SanType::DnsName(host.as_str().try_into()?),
        SubjectName::Ip(ip) => SanType::IpAddress(*ip),
    })
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// 126 random bits, positive and of fixed length (RFC 5280 section 4.1.2.2).
fn serial_number() -> SerialNumber {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}
