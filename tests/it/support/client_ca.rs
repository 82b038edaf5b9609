//! A CA of the operator's, which signs certificates for people and machines, and revokes them.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// A CA with its key.
pub struct ClientCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl ClientCa {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a CA");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The CA as PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes the CA as PEM.
    pub fn write(&self, path: &Path) -> PathBuf {
        std::fs::write(path, self.pem()).expect("the directory is writable");
        path.to_owned()
    }

    /// A certificate with its key, for the user of this name; `serial` is what it is revoked by.
    pub fn pair(&self, name: &str, serial: u64) -> String {
        self.pair_with(name, serial, |_| {})
    }

    /// The same with something changed.
    pub fn pair_with(&self, name: &str, serial: u64, adjust: impl FnOnce(&mut CertificateParams)) -> String {
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        (params.not_before, params.not_after) = (now - Duration::days(1), now + Duration::days(30));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        adjust(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        certificate.pem() + &key.serialize_pem()
    }

    /// The list of these revoked serial numbers, as PEM, to be replaced in `days` days.
    pub fn crl(&self, revoked: &[u64], days: i64) -> String {
        let now = OffsetDateTime::now_utc();
        let revoke = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now - Duration::hours(1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now - Duration::days(10),
            next_update: now + Duration::days(days),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(revoke).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}
