//! Chains that are served although something is to be told about them, and roots that are out of their time.

use jiff::Timestamp;
use rcgen::BasicConstraints;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::domain::Clock;
use crate::pki::authority::root_out_of_time;
use crate::pki::certificate::chain::{Checked, check};

struct Signer {
    params: CertificateParams,
    key: KeyPair,
}

impl Signer {
    fn new(name: &str) -> Self {
        let mut params = in_time();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = Vec::new();
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn expired(&self) -> Self {
        let mut params = self.params.clone();
        params.not_after = OffsetDateTime::now_utc() - Duration::hours(1);
        let key = KeyPair::from_pem(&self.key.serialize_pem()).unwrap();
        Self { params, key }
    }

    fn root(&self) -> CertificateDer<'static> {
        self.params.self_signed(&self.key).unwrap().der().clone()
    }

    fn signed_by(&self, other: &Self) -> CertificateDer<'static> {
        let issuer = Issuer::from_params(&other.params, &other.key);
        self.params.signed_by(&self.key, &issuer).unwrap().der().clone()
    }

    fn leaf(&self, alternative: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = in_time();
        params.subject_alt_names = alternative;
        params
            .signed_by(&KeyPair::generate().unwrap(), &Issuer::from_params(&self.params, &self.key))
            .unwrap()
            .der()
            .clone()
    }
}

fn checked(chain: &[CertificateDer<'_>]) -> Result<Checked, PkiError> {
    check(Path::new("server.pem"), chain, Timestamp::now())
}

#[test]
fn what_expired_at_the_end_and_no_client_needs_is_told_and_not_sent() {
    let (old, root, middle) = (Signer::new("old root"), Signer::new("root"), Signer::new("middle"));
    let leaf = middle.leaf(vec![alternative("a.test")]);
    let good = [leaf.clone(), middle.signed_by(&root)];
    let whole = checked(&good).unwrap();
    assert!(whole.sent == 2 && whole.warnings.is_empty(), "{whole:?}");
    for needless in [root.expired().signed_by(&old), root.expired().root()] {
        let found = checked(&[&good[..], &[needless]].concat()).unwrap();
        assert_eq!((found.sent, found.warnings.len()), (2, 1));
        assert!(found.warnings[0].contains("certificate 3 in server.pem (CN=root) expired on"), "{:?}", found.warnings);
    }
    let own = Signer::new("own root");
    let found = checked(&[own.leaf(vec![alternative("a.test")]), own.expired().root()]).unwrap();
    assert_eq!((found.sent, found.warnings.len()), (1, 1), "clients have the root themselves");
}

#[test]
fn what_expired_and_clients_need_is_refused() {
    let (root, middle) = (Signer::new("root"), Signer::new("middle"));
    let leaf = middle.leaf(vec![alternative("a.test")]);
    let text = checked(&[leaf, middle.expired().signed_by(&root), root.root()]).unwrap_err();
    assert!(matches!(text, PkiError::Expired { .. }), "{text}");
}

#[test]
fn a_chain_without_its_intermediate_is_told() {
    let middle = Signer::new("middle");
    let leaf = middle.leaf(vec![alternative("a.test")]);
    let warnings = checked(&[leaf]).unwrap().warnings;
    assert!(warnings[0].contains("without an intermediate") && warnings[0].contains("CN=middle"), "{warnings:?}");
    let own = operators_params().self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert!(checked(&[own.der().clone()]).unwrap().warnings.is_empty(), "its own issuer");
}

#[test]
fn an_address_that_is_written_as_a_dns_name_is_told() {
    let root = Signer::new("root");
    let as_dns = SanType::DnsName("192.168.1.20".try_into().unwrap());
    let warnings = |alternative| checked(&[root.leaf(alternative), root.root()]).unwrap().warnings;
    let told = warnings(vec![as_dns.clone(), alternative("a.test")]);
    assert!(told.len() == 1 && told[0].contains("IP:192.168.1.20") && told[0].contains("server.pem"), "{told:?}");
    assert!(warnings(vec![as_dns, alternative("192.168.1.20")]).is_empty(), "it is there as an address too");
}

/// An authority whose root is valid from then to then, in days from today.
fn authority_of(from: i64, until: i64) -> (tempfile::TempDir, PkiPaths) {
    let dir = tempfile::tempdir().unwrap();
    Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let paths = PkiPaths::new(dir.path());
    let mut root = Signer::new("root");
    let now = OffsetDateTime::now_utc();
    (root.params.not_before, root.params.not_after) = (now + Duration::days(from), now + Duration::days(until));
    write_public(&paths.root_certificate(), certificate_to_pem(&root.root()).as_bytes()).unwrap();
    write_key(&paths.root_key(), root.key.serialize_pem().as_bytes()).unwrap();
    (dir, paths)
}

#[test]
fn a_root_out_of_its_time_is_answered_with_a_new_one() {
    for (from, until, said) in [(-9, -1, "expired on"), (1, 9, "check this machine's clock")] {
        let (dir, paths) = authority_of(from, until);
        let mut authority = Authority::load(dir.path(), &Clock::system()).unwrap();
        let told = root_out_of_time(&paths, Timestamp::now()).unwrap().to_string();
        let source = IdentitySource::data_directory(dir.path(), names(&["a.test"]));
        for text in [
            told,
            renew_leaf(dir.path(), &mut authority, &names(&["a.test"])).unwrap_err().to_string(),
            source.prepare().unwrap_err().to_string(),
        ] {
            assert!(
                text.contains(said) && text.contains("ca rotate --at-once") && !text.contains("cert renew"),
                "{text}"
            );
        }
        let next = RotationRequest {
            names: names(&["a.test"]),
            added: Vec::new(),
            constraints: Constraints::ToNames,
            overlap: None,
        };
        Authority::rotate(dir.path(), &next, &Clock::system()).unwrap();
        assert_eq!(source.prepare().unwrap().origin(), Origin::ManagedCa, "which helps");
    }
    let (dir, _) = authority_of(-9, -1);
    let warning = Authority::load(dir.path(), &Clock::system()).unwrap().expiry_warning(Timestamp::now()).unwrap();
    assert!(warning.contains("ca rotate --at-once"), "{warning}");
}

#[test]
fn a_clock_behind_the_program_makes_no_authority() {
    use crate::domain::build_time::build_time;
    use crate::pki::authority::check_clock;
    assert!(check_clock(build_time()).is_ok() && check_clock(Timestamp::now()).is_ok());
    let text = check_clock(Timestamp::UNIX_EPOCH).unwrap_err().to_string();
    assert!(text.contains("1970-01-01") && text.contains("built on 20") && text.contains("timedatectl"), "{text}");
}
