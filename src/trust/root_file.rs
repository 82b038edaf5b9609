//! The root of a registry whose CA is the operator's own, from a file that the operator gave.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;

use super::error::TrustError;
use super::file;
use crate::domain::net::Fingerprint;
use crate::pki::PemText;

/// `-` reads standard input.
const STDIN: &str = "-";

/// One root, and where it was found.
#[derive(Debug, Clone)]
pub struct RootFile {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) name: String,
}

impl RootFile {
    /// Reads the one root of a PEM file. Other certificates of its chain may be there too; a second root may not, for then the file
    /// does not say which one to trust.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let (name, pem) = if path == Path::new(STDIN) {
            let (name, mut pem) = (PathBuf::from("standard input"), Vec::new());
            let read = std::io::stdin().take(file::LIMIT).read_to_end(&mut pem);
            read.map_err(TrustError::io("read", &name))?;
            (name, pem)
        } else {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            (path.to_owned(), file::read(path)?.ok_or_else(|| TrustError::io("read", path)(missing))?)
        };
        let name = name.display().to_string();
        let der = one_root(&pem).map_err(|reason| TrustError::NotOneRoot { name: name.clone(), reason })?;
        Ok(Self { der, name })
    }

    /// The root's SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_der(&self.der)
    }
}

fn one_root(pem: &[u8]) -> Result<CertificateDer<'static>, String> {
    let found = PemText::read(pem).map_err(|fault| format!("its PEM is damaged ({fault})"))?.items;
    if let Some(other) = found.iter().find(|item| !item.is_certificate()) {
        return Err(format!("it holds a {}: keep certificates alone in it", other.label));
    }
    let any = !found.is_empty();
    let mut roots: Vec<CertificateDer<'static>> = Vec::new();
    for der in found.into_iter().map(|item| CertificateDer::from(item.der.to_vec())).filter(|der| is_root(der)) {
        if !roots.contains(&der) {
            roots.push(der);
        }
    }
    match (roots.len(), any) {
        (1, _) => Ok(roots.remove(0)),
        (0, false) => Err("it holds no certificate in PEM (BEGIN CERTIFICATE)".to_owned()),
        (0, true) => Err("it holds no root, which is a certificate that its own key has signed".to_owned()),
        (many, _) => Err(format!("it holds {many} roots: keep the registry's alone")),
    }
}

fn is_root(der: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(der).is_ok_and(|(_, certificate)| {
        certificate.issuer().as_raw() == certificate.subject().as_raw() && certificate.verify_signature(None).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::certificate_to_pem as to_pem;

    #[test]
    fn one_root_is_found_among_its_chain() {
        let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
        let params = |name: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params
        };
        let root = params("root").self_signed(&key).unwrap();
        let second = params("second").self_signed(&other).unwrap();
        let root_params = params("root");
        let issuer = rcgen::Issuer::from_params(&root_params, &key);
        let leaf = params("leaf").signed_by(&other, &issuer).unwrap();
        let (root_pem, leaf) = (to_pem(root.der()), to_pem(leaf.der()));
        for good in [
            root_pem.clone(),
            format!("{leaf}{root_pem}"),
            format!("comment\n{root_pem}{root_pem}"),
            format!("\u{feff}{}{root_pem}", leaf.trim_end()),
        ] {
            assert_eq!(&one_root(good.as_bytes()).unwrap(), root.der(), "{good}");
        }
        for (bad, why) in [
            (String::new(), "no certificate"),
            (leaf, "no root"),
            (format!("{root_pem}{}", to_pem(second.der())), "2 roots"),
            (root_pem.replacen('\n', "\n*", 1), "damaged"),
            (format!("{root_pem}{}", root_pem.replace("CERTIFICATE", "X509 CRL")), "a X509 CRL"),
        ] {
            let reason = one_root(bad.as_bytes()).unwrap_err();
            assert!(reason.contains(why), "{reason} for {bad}");
        }
    }
}
