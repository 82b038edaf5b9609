//! The registry's own certificate is renewed in time, and served until that succeeds.

use std::fs;
use std::path::Path;

use rcgen::{Issuer, KeyPair};

use super::*;
use crate::domain::Clock;
use crate::domain::ManualClock;
use crate::pki::tests::{alternative, in_time, names};
use crate::pki::{Authority, Constraints, Identity, PkiPaths, files::private_file, write_key, write_public};

/// A leaf of which the larger part has passed, signed with the authority's own key.
fn old_leaf(data: &Path) -> Identity {
    let paths = PkiPaths::new(data);
    let issuing = fs::read_to_string(paths.issuing_certificate()).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(paths.issuing_key()).unwrap()).unwrap();
    let mut params = in_time();
    params.not_before -= time::Duration::days(80);
    params.subject_alt_names = vec![alternative("a.test")];
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&leaf_key, &Issuer::from_ca_cert_pem(&issuing, key).unwrap()).unwrap();
    private_file::make_directory(&paths.serving_dir()).unwrap();
    write_key(&paths.leaf_key(), leaf_key.serialize_pem().as_bytes()).unwrap();
    write_public(&paths.leaf_chain(), (leaf.pem() + &issuing).as_bytes()).unwrap();
    Identity::load(&paths.leaf_chain(), &paths.leaf_key(), Origin::ManagedCa, jiff::Timestamp::now()).unwrap()
}

#[test]
fn our_own_is_renewed_at_two_thirds_and_served_on_while_that_fails() {
    let data = tempfile::tempdir().unwrap();
    let wanted = names(&["a.test"]);
    Authority::create(data.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    let serving = ServingIdentity::new(old_leaf(data.path()), Clock::system());
    let source = IdentitySource::data_directory(data.path(), wanted);
    let mut job = RenewCertificate::new(Arc::clone(&serving), source, Clock::system());
    let shown = || serving.current().summary().fingerprint;
    let (first, hidden) = (shown(), data.path().join("hidden"));
    let authority = PkiPaths::new(data.path()).authority_dir();
    fs::rename(&authority, &hidden).unwrap();
    assert!(job.step().is_err(), "without its authority");
    assert_eq!(shown(), first);
    fs::rename(&hidden, &authority).unwrap();
    job.step().unwrap();
    let renewed = shown();
    assert_ne!(renewed, first);
    job.step().unwrap();
    assert_eq!(shown(), renewed, "nothing is due");
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of_once_a_day() {
    let data = tempfile::tempdir().unwrap();
    Authority::create(data.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let source = IdentitySource::data_directory(data.path(), names(&["a.test"]));
    let identity = source.prepare().unwrap();
    let until = identity.summary().not_after;
    let manual = ManualClock::at(until - Duration::from_hours(24 * 20));
    let mut job = RenewCertificate::new(ServingIdentity::new(identity, Clock::system()), source, manual.clock());
    job.warn_when_near();
    assert_eq!(job.warned, None, "there is time");
    manual.advance(Duration::from_hours(24 * 7));
    job.warn_when_near();
    let first = job.warned.expect("13 days are left");
    manual.advance(Duration::from_hours(23));
    job.warn_when_near();
    assert_eq!(job.warned, Some(first));
    manual.advance(Duration::from_hours(1));
    job.warn_when_near();
    assert!(job.warned > Some(first));
}
