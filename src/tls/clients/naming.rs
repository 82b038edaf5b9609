//! Reads the part of a verified certificate that names its user.

use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

use crate::domain::{AccountName, CertificateField, Unnamed, UserRule};

/// The user whom the certificate names by the rule.
pub(super) fn user_of(certificate: &CertificateDer<'_>, rule: &UserRule) -> Result<AccountName, Unnamed> {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => rule.user(&values(&certificate, rule.field)),
        // What the TLS library could read and this parser cannot names no one.
        Err(_) => rule.user(&[]),
    }
}

/// Every value of the field. One that is not text counts as one that is not a name.
fn values<'c>(certificate: &'c X509Certificate<'_>, field: CertificateField) -> Vec<&'c str> {
    if field == CertificateField::SubjectCommonName {
        return certificate.subject().iter_common_name().map(|name| text(name).unwrap_or_default()).collect();
    }
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match (field, name) {
            (CertificateField::SanEmail, GeneralName::RFC822Name(text))
            | (CertificateField::SanDns, GeneralName::DNSName(text))
            | (CertificateField::SanUri, GeneralName::URI(text)) => Some(*text),
            _ => None,
        })
        .collect()
}

/// The kinds of text in which a name of ours is written as itself, byte by byte.
fn text<'c>(name: &'c AttributeTypeAndValue<'_>) -> Option<&'c str> {
    let plain = matches!(name.attr_value().tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    plain.then(|| std::str::from_utf8(name.as_slice()).ok()).flatten()
}
