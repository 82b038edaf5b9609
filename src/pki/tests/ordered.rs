//! What is served where ACME is switched on: the ordered certificate, and ours in the gap before it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// An ordered pair in its place, valid or not any more.
fn ordered(data: &Path, expired: bool) {
    let mut params = operators_params();
    if expired {
        params.not_after = time::OffsetDateTime::now_utc() - time::Duration::hours(1);
    }
    let paths = PkiPaths::new(data);
    let (chain, key) = operators_pair(&paths.serving_dir(), &params);
    fs::rename(chain, paths.acme_chain()).unwrap();
    fs::rename(key, paths.acme_key()).unwrap();
}

#[test]
fn ours_fills_the_gap_for_the_names_that_it_may_have() {
    let data = tempfile::tempdir().unwrap();
    Authority::create(data.path(), &names(&["old.test", "localhost"]), Constraints::ToNames, &Clock::system()).unwrap();
    let wanted = names(&["given.test", "localhost"]);
    let plain = IdentitySource::data_directory(data.path(), wanted.clone());
    assert!(matches!(plain.prepare(), Err(PkiError::NotPermitted { .. })));
    let source = plain.clone().with_acme();
    let gap = source.prepare().unwrap();
    assert_eq!(
        (gap.origin(), gap.summary().names.as_slice()),
        (Origin::ManagedCa, ["localhost".to_owned()].as_slice())
    );
    assert_eq!(source.renew().unwrap().origin(), Origin::ManagedCa);

    ordered(data.path(), false);
    assert_eq!(source.prepare().unwrap().origin(), Origin::Acme);
    assert!(plain.prepare().is_err(), "switched off, it is not read");
}

#[test]
fn an_ordered_certificate_that_has_expired_makes_way_and_an_exposed_key_does_not() {
    let data = tempfile::tempdir().unwrap();
    Authority::create(data.path(), &names(&["given.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let source = IdentitySource::data_directory(data.path(), names(&["given.test"])).with_acme();
    source.prepare().unwrap();
    ordered(data.path(), true);
    assert_eq!(source.prepare().unwrap().origin(), Origin::ManagedCa);
    assert_eq!(source.load().unwrap().origin(), Origin::ManagedCa);
    assert!(matches!(source.load_selected(), Err(PkiError::Expired { .. })), "a running server keeps what it has");
    ordered(data.path(), false);
    let key = PkiPaths::new(data.path()).acme_key();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(source.prepare(), Err(PkiError::KeyExposed { .. })));
    assert!(matches!(source.load(), Err(PkiError::KeyExposed { .. })));
}

#[test]
fn an_imported_certificate_makes_way_for_acme() {
    let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Authority::create(data.path(), &names(&["given.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let (chain, key) = operators_pair(dir.path(), &operators_params());
    imported(data.path(), &chain, &key).unwrap();
    let source = IdentitySource::data_directory(data.path(), names(&["given.test"]));
    assert_eq!(source.prepare().unwrap().origin(), Origin::Imported);
    assert_eq!(source.with_acme().prepare().unwrap().origin(), Origin::ManagedCa);
}
