//! Making, loading, renewing an authority and our own certificate.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

#[test]
fn the_first_start_makes_a_chain_that_clients_accept() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["localhost", "build1.lan", "127.0.0.1", "::1"]);
    let mut authority = Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    let leaf = chain(&authority.issue_leaf(&wanted).unwrap().chain_pem);
    assert_eq!(leaf.len(), 2, "leaf and issuing certificate");
    for name in ["localhost", "build1.lan", "127.0.0.1", "::1"] {
        client_accepts(authority.root_der(), &leaf, name).unwrap();
    }
    assert!(client_accepts(authority.root_der(), &leaf, "other.lan").is_err());
    assert_eq!(authority.fingerprint(), Fingerprint::of_der(&chain(&authority.root_pem())[0]));
    let (root_life, issuing_life) = (days_left(authority.root_not_after()), days_left(authority.issuing_not_after()));
    assert!((3651..=3652).contains(&root_life) && (364..=365).contains(&issuing_life));
}

fn days_left(end: jiff::Timestamp) -> i64 {
    (end.as_second() - jiff::Timestamp::now().as_second()) / 86_400
}

#[test]
fn files_are_private_and_a_second_authority_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
    let paths = PkiPaths::new(dir.path());
    assert_eq!(mode(paths.authority_dir()), 0o700);
    assert_eq!((mode(paths.root_key()), mode(paths.issuing_key())), (0o600, 0o600));
    let again = Authority::create(dir.path(), &names(&["b.test"]), Constraints::ToNames, &Clock::system());
    assert!(matches!(again, Err(PkiError::AuthorityExists { .. })));
    assert_eq!(Authority::load(dir.path(), &Clock::system()).unwrap().fingerprint(), first.fingerprint());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing but ca/");
}

#[test]
fn an_exposed_authority_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let paths = PkiPaths::new(dir.path());
    for key in [paths.root_key(), paths.issuing_key()] {
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Authority::load(dir.path(), &Clock::system()), Err(PkiError::KeyExposed { mode: 0o644, .. })));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn without_the_root_key_leaves_are_still_issued_and_a_lost_issuer_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["a.test"]);
    Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    let paths = PkiPaths::new(dir.path());
    let kept = fs::read(paths.root_key()).unwrap();
    fs::remove_file(paths.root_key()).unwrap();
    let mut sealed = Authority::load(dir.path(), &Clock::system()).unwrap();
    assert_eq!(sealed.root_key_location(), RootKeyLocation::Elsewhere);
    let leaf = chain(&sealed.issue_leaf(&wanted).unwrap().chain_pem);
    client_accepts(sealed.root_der(), &leaf, "a.test").unwrap();

    fs::remove_file(paths.issuing_key()).unwrap();
    let text = Authority::load(dir.path(), &Clock::system()).unwrap_err().to_string();
    assert!(text.contains("root.key") && text.contains("bring it back"), "{text}");

    files::private_file::write_key(&paths.root_key(), &kept).unwrap();
    let mut fixed = Authority::load(dir.path(), &Clock::system()).unwrap();
    let leaf = chain(&fixed.issue_leaf(&wanted).unwrap().chain_pem);
    client_accepts(fixed.root_der(), &leaf, "a.test").unwrap();
}

#[test]
fn an_old_issuing_certificate_is_replaced_before_it_signs() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["a.test"]);
    let before =
        Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap().issuing_not_after();
    let paths = PkiPaths::new(dir.path());
    // An issuing certificate of which the larger part has passed.
    let root_key = KeyPair::from_pem(&fs::read_to_string(paths.root_key()).unwrap()).unwrap();
    let root_pem = fs::read_to_string(paths.root_certificate()).unwrap();
    let mut params = in_time();
    params.not_before -= time::Duration::days(300);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let old = params.signed_by(&key, &Issuer::from_ca_cert_pem(&root_pem, root_key).unwrap()).unwrap();
    write_public(&paths.issuing_certificate(), old.pem().as_bytes()).unwrap();
    write_key(&paths.issuing_key(), key.serialize_pem().as_bytes()).unwrap();

    let mut authority = Authority::load(dir.path(), &Clock::system()).unwrap();
    assert!(authority.issuing_not_after() < before);
    let leaf = chain(&authority.issue_leaf(&wanted).unwrap().chain_pem);
    assert!(authority.issuing_not_after() >= before, "a new year has begun");
    client_accepts(authority.root_der(), &leaf, "a.test").unwrap();
    assert_eq!(
        Authority::load(dir.path(), &Clock::system()).unwrap().issuing_not_after(),
        authority.issuing_not_after()
    );
}

#[test]
fn our_own_leaf_is_issued_when_absent_changed_or_damaged_and_else_kept() {
    let dir = tempfile::tempdir().unwrap();
    let both = names(&["a.test", "b.test"]);
    let mut authority = Authority::create(dir.path(), &both, Constraints::ToNames, &Clock::system()).unwrap();
    let paths = PkiPaths::new(dir.path());
    let mut ensure = |wanted: &[SubjectName]| ensure_leaf(dir.path(), &mut authority, wanted).unwrap();
    assert_eq!(ensure(&both[..1]), LeafOutcome::Issued);
    assert_eq!(ensure(&both[..1]), LeafOutcome::Kept);
    assert_eq!(ensure(&both), LeafOutcome::Issued, "another name");
    assert_eq!(ensure(&names(&["b.test", "a.test"])), LeafOutcome::Kept, "order does not matter");
    fs::write(paths.leaf_chain(), "torn").unwrap();
    assert_eq!(ensure(&both), LeafOutcome::Issued, "damaged");
    fs::remove_file(paths.leaf_key()).unwrap();
    assert_eq!(ensure(&both), LeafOutcome::Issued, "key lost");

    fs::set_permissions(paths.leaf_key(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(ensure_leaf(dir.path(), &mut authority, &both), Err(PkiError::KeyExposed { .. })));
    let outside = ensure_leaf(dir.path(), &mut authority, &names(&["c.test"])).unwrap_err().to_string();
    assert!(
        outside.contains("c.test") && outside.contains("a.test, b.test") && outside.contains("ca rotate"),
        "{outside}"
    );
}

#[test]
fn a_leaf_of_another_authority_is_replaced() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let wanted = names(&["a.test"]);
    let mut authority = Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    let mut foreign = Authority::create(other.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    renew_leaf(dir.path(), &mut foreign, &wanted).unwrap();
    assert_eq!(ensure_leaf(dir.path(), &mut authority, &wanted).unwrap(), LeafOutcome::Issued);
}
