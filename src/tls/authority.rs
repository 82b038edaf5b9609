//! The registry's own certificate authority: a constrained root, an issuing certificate below it, and what they sign.

use std::path::Path;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::certificate::{self, CertificateSummary};
use super::chain;
use super::constraints::{Constraints, PermittedNames};
use super::error::TlsError;
use super::fingerprint::Fingerprint;
use super::lifetime::{ISSUING_LIFE, LEAF_LIFE, ROOT_LIFE, renewal_due, validity};
use super::paths::TlsPaths;
use super::private_file::{
    lock_directory, make_directory, read_key, read_public, sync_directory, temporary_beside, write_key, write_public,
};
use super::subject_name::SubjectName;

/// The authority of one data directory, with the keys that are there.
///
/// The root key may be absent (sealed or kept elsewhere): then leaves are signed until the issuing certificate ends.
pub struct Authority {
    paths: TlsPaths,
    root: CertificateDer<'static>,
    root_summary: CertificateSummary,
    root_key: Option<KeyPair>,
    permitted: PermittedNames,
    issuing: Signer,
}

/// A CA certificate with its key.
struct Signer {
    der: CertificateDer<'static>,
    summary: CertificateSummary,
    key: KeyPair,
}

/// A server certificate fresh from the authority.
pub struct IssuedLeaf {
    /// The chain to send: leaf, then issuing certificate.
    pub chain_pem: String,
    /// The private key as PKCS #8 PEM.
    pub key_pem: Zeroizing<String>,
}

impl Authority {
    /// Makes root and issuing certificate in `ca/` of the data directory. The directory appears whole or not at all, and
    /// one that exists is refused.
    pub fn create(data_dir: &Path, names: &[SubjectName], constraints: Constraints) -> Result<Self, TlsError> {
        if names.is_empty() {
            return Err(TlsError::NoNames);
        }
        let paths = TlsPaths::new(data_dir);
        let directory = paths.authority_dir();
        if directory.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(TlsError::AuthorityExists { path: directory });
        }
        make_directory(data_dir)?;
        let staging = temporary_beside(&directory);
        make_directory(&staging)?;
        let published = write_new_authority(&staging, names, constraints)
            .and_then(|()| std::fs::rename(&staging, &directory).map_err(TlsError::io("make", &directory)));
        if let Err(error) = published {
            // The error above is the one to report; nothing refers to the staging directory.
            let _ = std::fs::remove_dir_all(&staging);
            return Err(error);
        }
        sync_directory(data_dir)?;
        Self::load(data_dir)
    }

    /// Whether the data directory has an authority.
    pub fn exists(data_dir: &Path) -> bool {
        TlsPaths::new(data_dir).root_certificate().exists()
    }

    /// Loads the authority of a data directory. A damaged or expired issuing certificate is made anew where the root key is
    /// there; a key that others may read is refused.
    pub fn load(data_dir: &Path) -> Result<Self, TlsError> {
        let paths = TlsPaths::new(data_dir);
        let path = paths.root_certificate();
        let root = read_certificate(&path)?;
        let root_summary = CertificateSummary::read(&path, &root)?;
        let permitted = PermittedNames::from_certificate(&certificate::parse(&path, &root)?);
        let root_key = match read_key_pair(&paths.root_key()) {
            Ok(key) => Some(key),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error),
        };
        if let Some(key) = &root_key {
            check_pair(&path, &root, &paths.root_key(), key)?;
        }
        let issuing = match (load_issuing(&paths, &root), &root_key) {
            (Ok(issuing), _) => issuing,
            (Err(error), Some(key)) if error.is_mended_by_reissue() => {
                tracing::warn!(%error, "the issuing certificate is unusable; making a new one");
                new_issuing(&paths, &root, &root_summary, key, &permitted)?
            }
            (Err(error), None) if error.is_mended_by_reissue() => {
                return Err(root_key_missing(&paths, format!("is unusable ({error})")));
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Self { paths, root, root_summary, root_key, permitted, issuing })
    }

    /// Signs a server certificate for `names`, 90 days or up to the issuing certificate's end. Past two thirds of its life
    /// the issuing certificate is made anew first, where the root key is there.
    pub fn issue_leaf(&mut self, names: &[SubjectName]) -> Result<IssuedLeaf, TlsError> {
        self.check_permitted(names)?;
        self.refresh_issuing()?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(&self.issuing.der, &self.issuing.key)?;
        let leaf = leaf_params(names, self.issuing.summary.not_after)?.signed_by(&key, &issuer)?;
        let chain_pem = leaf.pem() + &to_pem(&self.issuing.der);
        Ok(IssuedLeaf { chain_pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// Whether clients that trust the root would accept a certificate for `name`.
    pub fn permits(&self, name: &SubjectName) -> bool {
        self.permitted.permits(name)
    }

    /// What the root certificate's constraints permit.
    pub fn permitted(&self) -> &PermittedNames {
        &self.permitted
    }

    /// The SHA-256 of the root certificate, the value to pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.root_summary.fingerprint
    }

    /// The root certificate as PEM, one certificate.
    pub fn root_pem(&self) -> String {
        to_pem(&self.root)
    }

    /// The root certificate as DER.
    pub fn root_der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The end of the root certificate.
    pub fn root_not_after(&self) -> Timestamp {
        self.root_summary.not_after
    }

    /// The end of the issuing certificate.
    pub fn issuing_not_after(&self) -> Timestamp {
        self.issuing.summary.not_after
    }

    /// Whether the root key is in the data directory.
    pub fn has_root_key(&self) -> bool {
        self.root_key.is_some()
    }

    /// Whether `der` is a certificate that this root signed and that may sign leaves.
    pub(super) fn signed(&self, path: &Path, der: &CertificateDer<'_>) -> Result<bool, TlsError> {
        let root_path = self.paths.root_certificate();
        let root = certificate::parse(&root_path, &self.root)?;
        Ok(chain::is_signed_by(&certificate::parse(path, der)?, &root))
    }

    /// Refuses names outside of the constraints, before a certificate is made that no client accepts.
    pub(super) fn check_permitted(&self, names: &[SubjectName]) -> Result<(), TlsError> {
        if names.is_empty() {
            return Err(TlsError::NoNames);
        }
        match names.iter().find(|name| !self.permits(name)) {
            None => Ok(()),
            Some(name) => Err(TlsError::NotPermitted { name: name.to_string(), permitted: self.permitted.to_string() }),
        }
    }

    fn refresh_issuing(&mut self) -> Result<(), TlsError> {
        let (summary, now) = (&self.issuing.summary, Timestamp::now());
        if !renewal_due(summary.not_before, summary.not_after, now) {
            return Ok(());
        }
        match &self.root_key {
            Some(key) => {
                self.issuing = new_issuing(&self.paths, &self.root, &self.root_summary, key, &self.permitted)?;
                Ok(())
            }
            None if now < summary.not_after => {
                tracing::warn!(until = %summary.not_after, "the issuing certificate nears its end and the root key is not here");
                Ok(())
            }
            None => Err(root_key_missing(&self.paths, format!("expired on {}", summary.not_after))),
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("root", &self.root_summary).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for IssuedLeaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedLeaf").finish_non_exhaustive()
    }
}

fn write_new_authority(directory: &Path, names: &[SubjectName], constraints: Constraints) -> Result<(), TlsError> {
    let permitted = match constraints {
        Constraints::ToNames => PermittedNames::Only(names.to_vec()),
        Constraints::Unconstrained => PermittedNames::All,
    };
    let (root_key, issuing_key) = (KeyPair::generate()?, KeyPair::generate()?);
    let root = ca_params("root", ROOT_LIFE, None, 1, &permitted);
    let root_certificate = root.self_signed(&root_key)?;
    let summary = CertificateSummary::read(directory, root_certificate.der())?;
    let issuing = issuing_params(summary.not_after, &permitted);
    let issuing = issuing.signed_by(&issuing_key, &Issuer::from_params(&root, &root_key))?;
    let write = |name: &str, key: &KeyPair, pem: String| {
        write_key(&directory.join(format!("{name}.key")), Zeroizing::new(key.serialize_pem()).as_bytes())?;
        write_public(&directory.join(format!("{name}.pem")), pem.as_bytes())
    };
    write("root", &root_key, root_certificate.pem())?;
    write("issuing", &issuing_key, issuing.pem())
}

fn load_issuing(paths: &TlsPaths, root: &CertificateDer<'_>) -> Result<Signer, TlsError> {
    let (path, key_path) = (paths.issuing_certificate(), paths.issuing_key());
    let der = read_certificate(&path)?;
    let key = read_key_pair(&key_path)?;
    check_pair(&path, &der, &key_path, &key)?;
    let summary = CertificateSummary::read(&path, &der)?;
    let root_path = paths.root_certificate();
    let parsed_root = certificate::parse(&root_path, root)?;
    if !chain::is_signed_by(&certificate::parse(&path, &der)?, &parsed_root) {
        let next = parsed_root.subject().to_string();
        return Err(TlsError::ChainBroken { path, position: 1, subject: summary.subject, next });
    }
    Ok(Signer { der, summary, key })
}

fn new_issuing(
    paths: &TlsPaths,
    root: &CertificateDer<'_>,
    root_summary: &CertificateSummary,
    root_key: &KeyPair,
    permitted: &PermittedNames,
) -> Result<Signer, TlsError> {
    let _lock = lock_directory(&paths.authority_dir())?;
    let key = KeyPair::generate()?;
    let issuer = Issuer::from_ca_cert_der(root, root_key)?;
    let certificate = issuing_params(root_summary.not_after, permitted).signed_by(&key, &issuer)?;
    write_key(&paths.issuing_key(), Zeroizing::new(key.serialize_pem()).as_bytes())?;
    let path = paths.issuing_certificate();
    write_public(&path, certificate.pem().as_bytes())?;
    let summary = CertificateSummary::read(&path, certificate.der())?;
    Ok(Signer { der: certificate.der().clone(), summary, key })
}

fn issuing_params(root_ends: Timestamp, permitted: &PermittedNames) -> CertificateParams {
    let mut params = ca_params("issuing", ISSUING_LIFE, Some(root_ends), 0, permitted);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca_params(
    role: &str,
    life: std::time::Duration,
    issuer_ends: Option<Timestamp>,
    path_length: u8,
    permitted: &PermittedNames,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(Timestamp::now(), life, issuer_ends);
    // Roots of several registries lie side by side in one trust store: their names must differ.
    params.distinguished_name = common_name(&format!("Portcullis {role} CA {:08x}", rand::random::<u32>()));
    params.serial_number = Some(serial_number());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = permitted.to_extension();
    params
}

fn leaf_params(names: &[SubjectName], issuer_ends: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(Timestamp::now(), LEAF_LIFE, Some(issuer_ends));
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

fn alternative_name(name: &SubjectName) -> Result<SanType, TlsError> {
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

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    let mut chain = certificate::from_pem(path, &read_public(path)?)?;
    if chain.len() == 1 {
        return Ok(chain.swap_remove(0));
    }
    Err(TlsError::Pem { path: path.to_owned(), what: "certificate", reason: "one certificate belongs here".to_owned() })
}

fn read_key_pair(path: &Path) -> Result<KeyPair, TlsError> {
    let refuse = |reason: String| TlsError::Pem { path: path.to_owned(), what: "private key", reason };
    let bytes = read_key(path)?;
    let pem = std::str::from_utf8(&bytes).map_err(|error| refuse(error.to_string()))?;
    KeyPair::from_pem(pem).map_err(|error| refuse(error.to_string()))
}

fn check_pair(path: &Path, der: &CertificateDer<'_>, key_path: &Path, key: &KeyPair) -> Result<(), TlsError> {
    if certificate::parse(path, der)?.public_key().raw == key.subject_public_key_info() {
        return Ok(());
    }
    Err(TlsError::KeyMismatch { certificate: path.to_owned(), key: key_path.to_owned() })
}

fn root_key_missing(paths: &TlsPaths, problem: String) -> TlsError {
    TlsError::RootKeyMissing { issuing: paths.issuing_certificate(), root_key: paths.root_key(), problem }
}

fn to_pem(der: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for start in (0..text.len()).step_by(LINE) {
        pem.push_str(&text[start..text.len().min(start + LINE)]);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
