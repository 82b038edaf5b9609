//! The certificate that answers a `tls-alpn-01` challenge (RFC 8737, section 3), and the name that it is asked for by.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

use super::store::PendingAcmeChallenge;
use crate::pki::{PkiError, SubjectName};

/// Self-signed, for the one name, with the digest of the key authorization in a critical extension: fit for nothing else.
/// Put together by hand because rustls refuses to load a certificate with a critical extension that it does not know.
pub(super) fn challenge_certificate(challenge: &PendingAcmeChallenge) -> Result<Arc<CertifiedKey>, PkiError> {
    let mut params = CertificateParams::new([challenge.name.to_string()])?;
    params.distinguished_name = DistinguishedName::new();
    let authorization = digest(&SHA256, challenge.key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(authorization.as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&der)?)))
}

/// What a validating client names in its handshake: the host, or for an address its reverse name (RFC 8738, section 6).
pub(super) fn server_name(name: &SubjectName) -> String {
    match name {
        SubjectName::Dns(host) => host.clone(),
        SubjectName::Ip(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        SubjectName::Ip(IpAddr::V6(ip)) => {
            let mut name = String::with_capacity(72);
            for byte in ip.octets().iter().rev() {
                // Writing to a String cannot fail.
                let _ = write!(name, "{:x}.{:x}.", byte & 0xf, byte >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    #[test]
    fn addresses_are_asked_for_by_their_reverse_names() {
        let reverse = |text: &str| server_name(&text.parse().unwrap());
        assert_eq!(reverse("registry.test"), "registry.test");
        assert_eq!(reverse("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse("2001:db8::567:89ab"),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }

    #[test]
    fn the_certificate_carries_the_digest_critically_and_one_name() {
        for name in ["registry.test", "192.0.2.7", "2001:db8::1"] {
            let challenge = PendingAcmeChallenge {
                name: name.parse().unwrap(),
                token: "token".to_owned(),
                key_authorization: "token.thumbprint".to_owned(),
                expires: Timestamp::MAX,
            };
            let certified = challenge_certificate(&challenge).unwrap();
            let (_, parsed) = X509Certificate::from_der(&certified.cert[0]).unwrap();
            let names = parsed.subject_alternative_name().unwrap().unwrap();
            assert_eq!(names.value.general_names.len(), 1);
            let identifier = parsed.iter_extensions().find(|found| found.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
            let identifier = identifier.expect("the acmeIdentifier");
            assert!(identifier.critical);
            assert_eq!(&identifier.value[..2], [0x04, 32], "an octet string of 32 bytes");
            assert_eq!(&identifier.value[2..], digest(&SHA256, b"token.thumbprint").as_ref());
        }
    }
}
