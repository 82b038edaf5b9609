//! The file that holds a registry's CA: how it is fetched, and that it is one certificate and nothing else.

use std::time::Duration;

use rustls_pki_types::CertificateDer;

use super::client::{self, RegistryClient};
use super::error::TrustError;
use super::registry_address::RegistryAddress;
use crate::pki::{PemFault, PemItem, PemText};

/// Where a registry keeps its CA for those who do not trust it yet.
const PATH: &str = "/.well-known/portcullis/ca.pem";

/// The address of the file.
pub(crate) fn url(registry: &RegistryAddress) -> String {
    client::url(registry, PATH)
}

/// Fetches the certificate.
pub(super) async fn fetch(
    registry: &RegistryAddress,
    client: &RegistryClient<'_>,
) -> Result<CertificateDer<'static>, TrustError> {
    let body = client.file(PATH).await?;
    one_certificate(&body).map_err(|reason| TrustError::NotOneCertificate { url: url(registry), reason })
}

/// The same from any server that answers, verified by no one.
pub(crate) async fn fetch_unverified(
    registry: &RegistryAddress,
    limit: Duration,
) -> Result<CertificateDer<'static>, TrustError> {
    fetch(registry, &RegistryClient::unverified(registry, limit)?).await
}

/// Stricter than PEM readers are: the text is the armour of one certificate and nothing before, between or after.
pub(crate) fn one_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, String> {
    match only_certificates(pem)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err("it holds several certificates".to_owned()),
    }
}

/// Two of them, one after the other, and nothing else.
pub(crate) fn two_certificates(pem: &[u8]) -> Result<[CertificateDer<'static>; 2], String> {
    only_certificates(pem)?.try_into().map_err(|_| "it does not hold two certificates".to_owned())
}

/// At least one certificate, and nothing but certificates.
fn only_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = PemText::read(pem).map_err(|fault| match fault {
        PemFault::Unfinished(_) => "it is truncated before the certificate's end".to_owned(),
        fault => format!("its PEM is damaged ({fault})"),
    })?;
    if text.items.is_empty() {
        let reason = if text.has_other_text { "it holds no certificate" } else { "it is empty" };
        return Err(reason.to_owned());
    }
    if text.has_other_text {
        return Err("it holds something else than certificates".to_owned());
    }
    text.items.iter().map(certificate).collect()
}

fn certificate(item: &PemItem) -> Result<CertificateDer<'static>, String> {
    if item.label != "CERTIFICATE" {
        return Err(format!("it holds a {}", item.label));
    }
    let der = CertificateDer::from(item.der.to_vec());
    match x509_parser::parse_x509_certificate(&der) {
        Ok(([], _)) => Ok(der),
        Ok(_) => Err("something follows the certificate within its PEM".to_owned()),
        Err(_) => Err("its PEM holds no X.509 certificate".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::certificate_to_pem as to_pem;

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        to_pem(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn one_certificate_and_nothing_else() {
        let pem = certificate();
        let der = one_certificate(pem.as_bytes()).unwrap();
        assert_eq!(to_pem(&der), pem);
        assert!(one_certificate(pem.replace('\n', "\r\n").as_bytes()).is_ok());
        for (bad, why) in [
            (String::new(), "empty"),
            (pem[..pem.len() / 2].to_owned(), "truncated"),
            (format!("{pem}{pem}"), "several"),
            (format!("{pem}garbage"), "something else"),
            (format!("garbage{pem}"), "something else"),
            ("garbage".to_owned(), "no certificate"),
            (pem.replace("CERTIFICATE", "PRIVATE KEY"), "a PRIVATE KEY"),
            (to_pem(&[&der[..], b"more"].concat()), "follows"),
            (to_pem(&der[..der.len() - 1]), "no X.509"),
            (pem.replacen('\n', "\n*", 1), "damaged"),
        ] {
            let reason = one_certificate(bad.as_bytes()).unwrap_err();
            assert!(reason.contains(why), "{reason} for {bad}");
        }
        assert_eq!(two_certificates(format!("{pem}{pem}").as_bytes()).unwrap(), [der.clone(), der]);
        for bad in
            [pem.clone(), pem.repeat(3), format!("{pem}{pem}garbage"), format!("{pem}garbage{pem}"), String::new()]
        {
            assert!(two_certificates(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(two_certificates(format!("{}{pem}", pem.trim_end()).as_bytes()).unwrap().len(), 2, "glued");
        assert!(one_certificate(format!("\u{feff}{pem}").as_bytes()).is_ok(), "behind a byte order mark");
        assert!(one_certificate(&[0xff, 0xfe]).unwrap_err().contains("UTF-16"));
    }
}
