//! Which certificates count, whom they name, and for how long; told with certificates that a CA in memory signs.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::{Duration, OffsetDateTime};

use super::naming::user_of;
use super::*;
use crate::domain::Clock;
use crate::domain::{CertificateField, ClientCertificate, Fingerprint, Unnamed, UserRule};

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Ca { issuer: Issuer::new(params, key), pem }
}

impl Ca {
    fn sign(&self, serial: u64, adjust: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(serial));
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - Duration::days(1), now + Duration::days(30));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        adjust(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    fn alice(&self, serial: u64) -> CertificateDer<'static> {
        self.sign(serial, |params| params.distinguished_name.push(DnType::CommonName, "alice"))
    }

    fn list(&self, revoked: &[u64], scope: Option<CrlScope>) -> rcgen::CertificateRevocationList {
        let now = OffsetDateTime::now_utc();
        let revoke = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let point = CrlDistributionPoint { uris: vec!["http://ca.test/crl".to_owned()] };
        let params = CertificateRevocationListParams {
            this_update: now - Duration::days(1),
            next_update: now + Duration::days(1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: scope
                .map(|scope| CrlIssuingDistributionPoint { distribution_point: point, scope: Some(scope) }),
            revoked_certs: revoked.iter().map(revoke).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap()
    }
}

fn rule(field: CertificateField, pattern: &str) -> UserRule {
    UserRule { field, pattern: pattern.parse().unwrap() }
}

fn common_name() -> UserRule {
    rule(CertificateField::SubjectCommonName, "{user}")
}

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Whom a certificate with these common names is for.
fn named(values: Vec<DnValue>) -> Result<String, Unnamed> {
    let certificate = ca("clients").sign(1, |params| {
        // The library keeps one value per kind: the same kind by another name makes a second one.
        let kinds = [DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3])];
        for (kind, value) in kinds.into_iter().zip(values) {
            params.distinguished_name.push(kind, value);
        }
        params.distinguished_name.push(DnType::OrganizationName, "bob");
    });
    user_of(&certificate, &common_name()).map(|user| user.to_string())
}

fn utf8(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

#[test]
fn the_common_name_is_the_user_exactly_or_no_one() {
    assert_eq!(named(vec![utf8("alice")]).unwrap(), "alice");
    assert_eq!(named(vec![DnValue::PrintableString("alice".try_into().unwrap())]).unwrap(), "alice");
    assert!(matches!(named(vec![]), Err(Unnamed::NoUser { .. })));
    let long = "a".repeat(65);
    for odd in ["", "Alice", "alice ", "älice", "alice\0", "alice\0.evil", "*", "alice,CN=bob", "a/b", &long] {
        assert!(matches!(named(vec![utf8(odd)]), Err(Unnamed::NoUser { .. })), "{odd:?}");
    }
    // Other alphabets than ours are not translated.
    assert!(named(vec![DnValue::BmpString("alice".try_into().unwrap())]).is_err());
    assert!(named(vec![DnValue::TeletexString("alice".try_into().unwrap())]).is_err());
    for second in ["bob", "alice", "Not A Name"] {
        assert!(matches!(named(vec![utf8("alice"), utf8(second)]), Err(Unnamed::Several { .. })), "{second}");
    }
}

/// Whom a certificate with these alternative names is for, and alice in its subject.
fn alternatively(rule: &UserRule, names: &[(CertificateField, &str)]) -> Option<String> {
    let certificate = ca("clients").sign(1, |params| {
        params.distinguished_name.push(DnType::CommonName, "alice");
        let name = |(field, text): &(CertificateField, &str)| {
            let text = (*text).to_owned().try_into().unwrap();
            match field {
                CertificateField::SanEmail => SanType::Rfc822Name(text),
                CertificateField::SanDns => SanType::DnsName(text),
                _ => SanType::URI(text),
            }
        };
        params.subject_alt_names = names.iter().map(name).collect();
    });
    user_of(&certificate, rule).ok().map(|user| user.to_string())
}

#[test]
fn only_the_configured_kind_of_alternative_name_counts() {
    use CertificateField::{SanDns, SanEmail, SanUri};
    let mail = rule(SanEmail, "{user}@example.com");
    let found = |names: &[(CertificateField, &str)]| alternatively(&mail, names);
    assert_eq!(found(&[(SanEmail, "carol@example.com"), (SanDns, "host.example.com")]).as_deref(), Some("carol"));
    assert_eq!(found(&[]), None, "the subject does not help");
    assert_eq!(found(&[(SanDns, "carol@example.com"), (SanUri, "carol@example.com")]), None);
    assert_eq!(found(&[(SanEmail, "carol@evil.test@example.com")]), None);
    assert_eq!(found(&[(SanEmail, "carol@example.com"), (SanEmail, "dora@example.com")]), None);
    let host = rule(SanDns, "{user}.users.example.com");
    assert_eq!(alternatively(&host, &[(SanDns, "carol.users.example.com")]).as_deref(), Some("carol"));
    assert_eq!(alternatively(&host, &[(SanDns, "*.users.example.com")]), None);
    let uri = rule(SanUri, "spiffe://example.com/{user}");
    assert_eq!(alternatively(&uri, &[(SanUri, "spiffe://example.com/carol")]).as_deref(), Some("carol"));
    assert_eq!(alternatively(&uri, &[(SanUri, "spiffe://example.com/carol/x")]), None);
}

/// The files of these CAs and lists, and why they are refused.
fn refusal(dir: &Path, authorities: &str, lists: &[&[u8]]) -> String {
    let ca = write(dir, "ca.pem", authorities);
    let crls = lists.iter().enumerate().map(|(n, list)| write(dir, &format!("{n}.crl"), list)).collect();
    ClientFiles { ca, crls }.load(Clock::system().now()).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn files_of_any_usual_form_are_read_and_others_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (ca("one"), ca("other"));
    let both = one.pem.clone() + &other.pem;
    let (list, second) = (one.list(&[1], None), one.list(&[], None));
    let pem = list.pem().unwrap() + &other.list(&[], None).pem().unwrap();
    assert_eq!(refusal(dir.path(), &both, &[pem.as_bytes()]), "");
    assert_eq!(refusal(dir.path(), &both, &[list.der(), other.list(&[], None).der()]), "");
    let parts = [one.list(&[], Some(CrlScope::CaCertsOnly)), one.list(&[], Some(CrlScope::UserCertsOnly))];
    assert_eq!(refusal(dir.path(), &both, &[parts[0].der(), parts[1].der()]), "");
    for joined in [pem.replace("-----\n-----", "----------"), format!("\u{feff}{pem}"), pem.replace('\n', "\r\n")] {
        let ca = write(dir.path(), "ca.pem", both.replace("-----\n-----", "----------"));
        let crls = vec![write(dir.path(), "both.crl", &joined)];
        let trust_store = ClientFiles { ca, crls }.load(Clock::system().now()).unwrap();
        assert!(trust_store.verify(&one.alice(1), &[], UnixTime::now()).is_err(), "revoked in the first: {joined}");
        assert!(trust_store.verify(&other.alice(1), &[], UnixTime::now()).is_ok(), "the second CA is read: {joined}");
    }
    let in_the_ca_file = refusal(dir.path(), &format!("{both}{pem}"), &[]);
    assert!(in_the_ca_file.contains("X509 CRL does not belong there"), "{in_the_ca_file}");
    for (lists, said) in [
        (&[list.der().as_ref(), second.der().as_ref()][..], "1.crl has a second revocation list of CN=one"),
        (&[ca("one").list(&[], None).der().as_ref()], "not signed by CN=one"),
        (&[&[list.der().as_ref(), b"x"].concat()], "data follows the list"),
        (&[&list.der().as_ref()[..40]], "0.crl holds no usable revocation list"),
        (&[one.pem.as_bytes()], "CERTIFICATE does not belong there"),
        (&[b""], "no BEGIN X509 CRL line"),
        (&[&vec![b' '; 17 << 20]], "larger than"),
    ] {
        let text = refusal(dir.path(), &both, lists);
        assert!(text.contains(said) && text.contains(dir.path().to_str().unwrap()), "{said}: {text}");
    }
    assert!(refusal(dir.path(), "", &[]).contains("ca.pem"));
}

#[test]
fn a_list_of_other_certificates_does_not_vouch_for_these() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (ca("one"), ca("other"));
    let path = write(dir.path(), "ca.pem", one.pem.clone() + &other.pem);
    let accepts = |list: rcgen::CertificateRevocationList, certificate: &CertificateDer<'_>| {
        let crls = vec![write(dir.path(), "a.crl", list.der())];
        let trust_store = ClientFiles { ca: path.clone(), crls }.load(Clock::system().now()).unwrap();
        trust_store.verify(certificate, &[], UnixTime::now()).is_ok()
    };
    assert!(accepts(one.list(&[], None), &one.alice(1)));
    assert!(!accepts(one.list(&[1], None), &one.alice(1)));
    assert!(accepts(one.list(&[1], None), &other.alice(1)), "the other CA has no list, and is not asked for one");
    assert!(accepts(one.list(&[2], Some(CrlScope::UserCertsOnly)), &one.alice(1)));
    assert!(!accepts(one.list(&[1], Some(CrlScope::UserCertsOnly)), &one.alice(1)));
    assert!(!accepts(one.list(&[], Some(CrlScope::CaCertsOnly)), &one.alice(1)), "unknown is refused");
    assert!(accepts(one.list(&[], Some(CrlScope::CaCertsOnly)), &other.alice(1)));
}

#[test]
fn an_open_connection_sees_what_was_revoked_since_and_bad_files_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let one = ca("one");
    let list = write(dir.path(), "a.crl", one.list(&[], None).der());
    let files = ClientFiles { ca: write(dir.path(), "ca.pem", &one.pem), crls: vec![list.clone()] };
    let verifier = ClientVerifier::open(files, common_name(), false, Clock::system()).unwrap();
    assert!(verifier.presented(None).is_none() && verifier.presented(Some(&[])).is_none());
    let certificate = one.alice(1);
    let shown = verifier.presented(Some(std::slice::from_ref(&certificate))).unwrap();
    let still = verifier.presented(Some(&[one.alice(2)])).unwrap();
    let nameless = verifier.presented(Some(&[one.sign(3, |_| {})])).unwrap();
    let fingerprint = Fingerprint::of_der(&certificate);
    let alice = ClientCertificate::Names { user: "alice".parse().unwrap(), fingerprint };
    assert_eq!(shown.now(), alice);
    assert!(matches!(nameless.now(), ClientCertificate::NamesUnknownUser(text) if text.contains("common name")));

    write(dir.path(), "a.crl", "torn");
    assert!(verifier.reload().is_err());
    assert_eq!(shown.now(), alice);
    write(dir.path(), "a.crl", one.list(&[1], None).der());
    verifier.reload().unwrap();
    assert!(matches!(shown.now(), ClientCertificate::Withdrawn(text) if text.contains("has revoked it")));
    assert!(matches!(still.now(), ClientCertificate::Names { user, .. } if user.as_str() == "alice"));
    std::fs::remove_file(&list).unwrap();
    assert!(verifier.reload().is_err(), "a list that is gone is not an empty one");
    assert!(matches!(shown.now(), ClientCertificate::Withdrawn(_)));
}
