//! One root takes the place of another, and hosts that trust either of them continue.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::BasicConstraints;

use super::constraints::openssl_accepts;
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn request(names: &[SubjectName], overlap: Option<Duration>) -> RotationRequest {
    RotationRequest { names: names.to_vec(), added: Vec::new(), constraints: Constraints::ToNames, overlap }
}

fn later(days: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + days * 86_400).unwrap()
}

/// A data directory whose root has been replaced by another, with both roots.
struct Replaced {
    dir: tempfile::TempDir,
    old: CertificateDer<'static>,
    new: CertificateDer<'static>,
}

impl Replaced {
    fn new(before: &[&str], after: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Authority::create(dir.path(), &names(before), Constraints::ToNames, &Clock::system()).unwrap();
        ensure_leaf(dir.path(), &mut first, &names(before)).unwrap();
        let second = Authority::rotate(dir.path(), &request(&names(after), Some(90 * DAY)), &Clock::system()).unwrap();
        let (old, new) = (first.root_der().clone(), second.root_der().clone());
        assert_ne!(old, new);
        Self { dir, old, new }
    }

    fn source(&self, wanted: &[&str]) -> IdentitySource {
        IdentitySource::data_directory(self.dir.path(), names(wanted))
    }

    /// As `cert renew` leaves it, whether it is due or not.
    fn renewed(&self, wanted: &[&str]) -> Identity {
        let mut authority = Authority::load(self.dir.path(), &Clock::system()).unwrap();
        renew_leaf(self.dir.path(), &mut authority, &names(wanted)).unwrap();
        self.source(wanted).load().unwrap()
    }
}

/// What rustls and openssl say of what is shown to who asks for `asked` and connects to `name`; they must agree.
fn accepted(root: &CertificateDer<'_>, identity: &Identity, asked: Option<&str>, name: &str, now: Timestamp) -> bool {
    let shown = &identity.shown_for(asked, now).cert;
    let by_rustls = client_accepts(root, shown, name).is_ok();
    let dir = tempfile::tempdir().unwrap();
    let root_path = dir.path().join("root.pem");
    fs::write(&root_path, pem(root)).unwrap();
    let above: String = shown[1..].iter().map(pem).collect();
    if let Some(by_openssl) = openssl_accepts(&root_path, &above, &pem(&shown[0]), name) {
        assert_eq!(by_rustls, by_openssl, "{name}");
    }
    by_rustls
}

fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[test]
fn hosts_of_either_root_are_served_until_the_announced_date() {
    let both = Replaced::new(&["a.test", "10.0.0.1"], &["a.test", "10.0.0.1"]);
    let identity = both.source(&["a.test", "10.0.0.1"]).prepare().unwrap();
    for (asked, name) in [(Some("a.test"), "a.test"), (None, "10.0.0.1")] {
        let (now, after) = (Timestamp::now(), later(91));
        assert_eq!(identity.shown_for(asked, now).cert.len(), 3, "leaf, issuing, cross");
        assert!(accepted(&both.old, &identity, asked, name, now), "{name}");
        assert!(accepted(&both.new, &identity, asked, name, now), "{name}");
        assert_eq!(identity.shown_for(asked, after).cert.len(), 2, "leaf, issuing");
        assert!(!accepted(&both.old, &identity, asked, name, after), "{name}");
        assert!(accepted(&both.new, &identity, asked, name, after), "{name}");
    }
    let authority = Authority::load(both.dir.path(), &Clock::system()).unwrap();
    let rotation = authority.rotation(Timestamp::now()).unwrap();
    assert_eq!(rotation.previous_fingerprint(), Fingerprint::of_der(&both.old));
    assert_eq!(chain(&rotation.to_pem()).len(), 2);
    assert_eq!(chain(&rotation.to_pem())[0], both.old);
    assert!(authority.rotation(later(91)).is_none());
    assert!(!PkiPaths::new(both.dir.path()).cross_signed_chain().exists(), "one certificate does for both");
}

#[test]
fn a_name_that_the_old_root_does_not_permit_is_served_to_hosts_of_the_new_one() {
    let wanted = ["a.test", "b.other", "10.0.0.1", "10.0.0.2"];
    let both = Replaced::new(&["a.test", "10.0.0.1"], &wanted);
    let identity = both.source(&wanted).prepare().unwrap();
    let now = Timestamp::now();
    for (asked, name, by_old, by_new) in [
        (Some("a.test"), "a.test", true, true),
        (None, "10.0.0.1", true, true),
        (Some("B.Other"), "b.other", false, true),
        (Some("unknown.test"), "a.test", true, true),
        // No name is asked for, so it cannot be told apart from the old address.
        (None, "10.0.0.2", false, false),
    ] {
        assert_eq!(accepted(&both.old, &identity, asked, name, now), by_old, "old root, {name}");
        assert_eq!(accepted(&both.new, &identity, asked, name, now), by_new, "new root, {name}");
    }
    assert!(accepted(&both.new, &identity, None, "10.0.0.2", later(91)), "after the overlap");
    // Both certificates are kept, and both are replaced where one is damaged.
    let again = both.source(&wanted).prepare().unwrap();
    assert_eq!(again.summary().fingerprint, identity.summary().fingerprint);
    let cross_signed = PkiPaths::new(both.dir.path()).cross_signed_chain();
    fs::write(&cross_signed, "torn").unwrap();
    let fixed = both.source(&wanted).prepare().unwrap();
    assert!(accepted(&both.old, &fixed, None, "10.0.0.1", now));
    // With the transition its certificate goes.
    fs::remove_file(PkiPaths::new(both.dir.path()).cross_certificate()).unwrap();
    both.renewed(&wanted);
    assert!(!cross_signed.exists() && !PkiPaths::new(both.dir.path()).cross_signed_key().exists());
}

#[test]
fn a_renewal_within_the_overlap_serves_both() {
    let wanted = ["a.test", "b.other"];
    let both = Replaced::new(&["a.test"], &wanted);
    let source = both.source(&wanted);
    let before = source.prepare().unwrap();
    let after = both.renewed(&wanted);
    assert_ne!(before.summary().fingerprint, after.summary().fingerprint);
    let now = Timestamp::now();
    assert!(accepted(&both.old, &after, Some("a.test"), "a.test", now));
    assert!(accepted(&both.new, &after, Some("b.other"), "b.other", now));
}

#[test]
fn the_old_key_is_gone_and_only_one_transition_runs_at_a_time() {
    let both = Replaced::new(&["a.test"], &["a.test"]);
    let (dir, paths) = (both.dir.path(), PkiPaths::new(both.dir.path()));
    let key = KeyPair::from_pem(&fs::read_to_string(paths.root_key()).unwrap()).unwrap();
    let (_, old) = x509_parser::parse_x509_certificate(&both.old).unwrap();
    assert_ne!(old.public_key().raw, rcgen::PublicKeyData::subject_public_key_info(&key));
    assert_eq!(fs::read_dir(dir).unwrap().count(), 2, "ca/ and tls/, and nothing next to them");

    let wanted = request(&names(&["a.test"]), Some(DAY));
    let text = Authority::rotate(dir, &wanted, &Clock::system()).unwrap_err().to_string();
    assert!(text.contains("are served until") && text.contains("--at-once"), "{text}");
    assert_eq!(Authority::load(dir, &Clock::system()).unwrap().root_der(), &both.new);

    let third = Authority::rotate(dir, &request(&names(&["a.test"]), None), &Clock::system()).unwrap();
    assert!(third.rotation(Timestamp::now()).is_none());
    let identity = both.source(&["a.test"]).prepare().unwrap();
    let now = Timestamp::now();
    assert!(accepted(third.root_der(), &identity, Some("a.test"), "a.test", now));
    assert!(!accepted(&both.new, &identity, Some("a.test"), "a.test", now));
    assert!(!accepted(&both.old, &identity, Some("a.test"), "a.test", now));
}

#[test]
fn the_overlap_ends_with_the_old_root_at_the_latest() {
    let dir = tempfile::tempdir().unwrap();
    let old = Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let new =
        Authority::rotate(dir.path(), &request(&names(&["a.test"]), Some(100_000 * DAY)), &Clock::system()).unwrap();
    assert_eq!(new.rotation(Timestamp::now()).unwrap().until(), old.root_not_after());
    let empty = tempfile::tempdir().unwrap();
    Authority::create(empty.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let text = Authority::rotate(empty.path(), &request(&names(&["a.test"]), Some(Duration::ZERO)), &Clock::system());
    assert!(text.unwrap_err().to_string().contains("the overlap is empty"));
}

/// Puts a root of its own into the place of the authority's.
fn plant_root(dir: &Path, adjust: impl FnOnce(&mut CertificateParams)) {
    let paths = PkiPaths::new(dir);
    let key = KeyPair::generate().unwrap();
    let mut params = in_time();
    params.extended_key_usages = Vec::new();
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(2));
    adjust(&mut params);
    write_public(&paths.root_certificate(), params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
    write_key(&paths.root_key(), key.serialize_pem().as_bytes()).unwrap();
}

#[test]
fn a_root_that_permits_no_transition_is_left_at_once_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    plant_root(dir.path(), |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
    let wanted = |overlap| request(&names(&["a.test"]), overlap);
    let text = Authority::rotate(dir.path(), &wanted(Some(DAY)), &Clock::system()).unwrap_err().to_string();
    assert!(text.contains("path length") && text.contains("--at-once"), "{text}");
    plant_root(dir.path(), |params| params.not_after = params.not_before + time::Duration::hours(2));
    let text = Authority::rotate(dir.path(), &wanted(Some(DAY)), &Clock::system()).unwrap_err().to_string();
    assert!(text.contains("it has expired"), "{text}");
    fs::remove_file(PkiPaths::new(dir.path()).root_key()).unwrap();
    Authority::rotate(dir.path(), &wanted(None), &Clock::system()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing but ca/");
}

#[test]
fn a_statement_that_does_not_hold_counts_for_nothing_and_the_new_root_is_served_on() {
    let both = Replaced::new(&["a.test"], &["a.test"]);
    let paths = PkiPaths::new(both.dir.path());
    let good = fs::read(paths.cross_certificate()).unwrap();
    let foreign = Replaced::new(&["a.test"], &["a.test"]);
    let foreign = fs::read(PkiPaths::new(foreign.dir.path()).cross_certificate()).unwrap();
    for bad in [b"torn".to_vec(), foreign, fs::read(paths.root_certificate()).unwrap()] {
        fs::write(paths.cross_certificate(), bad).unwrap();
        assert!(Authority::load(both.dir.path(), &Clock::system()).unwrap().rotation(Timestamp::now()).is_none());
        let identity = both.source(&["a.test"]).prepare().unwrap();
        assert!(accepted(&both.new, &identity, Some("a.test"), "a.test", Timestamp::now()));
    }
    fs::write(paths.cross_certificate(), good).unwrap();
    let identity = both.source(&["a.test"]).prepare().unwrap();
    assert!(accepted(&both.old, &identity, Some("a.test"), "a.test", Timestamp::now()));
}

#[test]
fn what_an_interrupted_rotation_leaves_is_destroyed_and_names_that_it_added_stay() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["a.test"]);
    Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    let left = dir.path().join(".ca.0123456789abcdef.tmp");
    let half = PkiPaths::new(dir.path()).authority_dir().join(".root.key.0123456789abcdef.tmp");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("root.key"), "a key").unwrap();
    fs::write(&half, "half a key").unwrap();
    IdentitySource::data_directory(dir.path(), wanted.clone()).prepare().unwrap();
    assert!(!left.exists() && !half.exists());

    let added = names(&["b.other", "10.0.0.9"]);
    let both = RotationRequest { added: added.clone(), ..request(&[wanted, added.clone()].concat(), Some(DAY)) };
    assert_eq!(Authority::rotate(dir.path(), &both, &Clock::system()).unwrap().added_names(), added);
    let again = RotationRequest { overlap: None, added: names(&["c.other", "b.other"]), ..both };
    let again = Authority::rotate(dir.path(), &again, &Clock::system()).unwrap();
    assert_eq!(again.added_names(), names(&["b.other", "10.0.0.9", "c.other"]));
}

#[test]
fn an_authority_that_was_replaced_meanwhile_signs_no_issuing_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["a.test"]);
    Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    plant_old_issuing(dir.path());
    let mut stale = Authority::load(dir.path(), &Clock::system()).unwrap();
    let new = Authority::rotate(dir.path(), &request(&wanted, Some(DAY)), &Clock::system()).unwrap();
    assert!(matches!(stale.issue_leaf(&wanted), Err(PkiError::AuthorityReplaced { .. })));
    let loaded = Authority::load(dir.path(), &Clock::system()).unwrap();
    assert_eq!(loaded.issuing_not_after(), new.issuing_not_after());
}

/// An issuing certificate of which the larger part has passed.
fn plant_old_issuing(dir: &Path) {
    let paths = PkiPaths::new(dir);
    let root_key = KeyPair::from_pem(&fs::read_to_string(paths.root_key()).unwrap()).unwrap();
    let root_pem = fs::read_to_string(paths.root_certificate()).unwrap();
    let mut params = in_time();
    params.not_before -= time::Duration::days(300);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let old = params.signed_by(&key, &Issuer::from_ca_cert_pem(&root_pem, root_key).unwrap()).unwrap();
    write_public(&paths.issuing_certificate(), old.pem().as_bytes()).unwrap();
    write_key(&paths.issuing_key(), key.serialize_pem().as_bytes()).unwrap();
}

#[test]
fn what_is_about_to_end_is_told_in_time_with_the_command_that_fixes_it() {
    let dir = tempfile::tempdir().unwrap();
    let warning = |days| Authority::load(dir.path(), &Clock::system()).unwrap().expiry_warning(later(days));
    let says = |days, words: &str| warning(days).is_some_and(|text| text.contains(words));
    Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    assert_eq!((warning(0), warning(365 - 15)), (None, None));
    assert!(says(365 - 14, "cert renew"));
    assert_eq!(warning(3652 - 181).filter(|text| text.contains("root certificate ends")), None);
    assert!(says(3652 - 180, "ca rotate"));
    seal_root_key(dir.path(), "a long passphrase").unwrap();
    assert_eq!(warning(365 - 61), None);
    assert!(says(365 - 60, "sealed") && says(365 - 60, "ca unseal"));
    fs::remove_file(PkiPaths::new(dir.path()).sealed_root_key()).unwrap();
    assert!(says(365 - 60, "ca unseal --from FILE"));
}
