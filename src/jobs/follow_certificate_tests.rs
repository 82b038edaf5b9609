//! What is served follows its files, step by step.

use std::fs;
use std::path::Path;

use super::*;
use crate::domain::Clock;
use crate::domain::Fingerprint;
use crate::pki::tests::{imported, names, operators_pair, operators_params};
use crate::pki::{Authority, Constraints, Origin, RotationRequest, renew_leaf};

/// The job of a server that has just started.
fn started(source: IdentitySource) -> FollowCertificate {
    let mut job = FollowCertificate::new(ServingIdentity::new(source.prepare().unwrap(), Clock::system()), source);
    follow(&mut job).unwrap();
    job
}

/// Two looks: a change counts after the second.
fn follow(job: &mut FollowCertificate) -> Result<(), Failure> {
    let before = shown(job);
    let first = job.step(Cause::Due);
    assert_eq!(shown(job), before, "{first:?}: a change was seen once");
    job.step(Cause::Due)
}

fn shown(job: &FollowCertificate) -> Fingerprint {
    job.serving.current().summary().fingerprint
}

fn own(dir: &Path) -> IdentitySource {
    let wanted = names(&["a.test"]);
    Authority::create(dir, &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    IdentitySource::data_directory(dir, wanted)
}

#[test]
fn renewals_and_imports_of_other_processes_are_served() {
    let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut job = started(own(data.path()));
    let first = shown(&job);
    renew_leaf(data.path(), &mut Authority::load(data.path(), &Clock::system()).unwrap(), &names(&["a.test"])).unwrap();
    follow(&mut job).unwrap();
    assert_ne!(shown(&job), first);

    let pair = operators_pair(dir.path(), &operators_params());
    imported(data.path(), &pair.0, &pair.1).unwrap();
    follow(&mut job).unwrap();
    assert_eq!(job.serving.current().origin(), Origin::Imported);
    crate::pki::tests::remove_import(data.path());
    follow(&mut job).unwrap();
    assert_eq!(job.serving.current().origin(), Origin::ManagedCa);
}

#[test]
fn a_bad_pair_is_rejected_for_as_long_as_it_is_there_and_the_old_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let pair = operators_pair(dir.path(), &operators_params());
    let mut job = started(IdentitySource::files(dir.path(), &pair.0, &pair.1));
    let first = shown(&job);
    fs::write(&pair.0, "torn").unwrap();
    let said = follow(&mut job).unwrap_err().message;
    assert!(said.contains("server.pem"), "{said}");
    for cause in [Cause::Due, Cause::Asked, Cause::Due] {
        assert_eq!(job.step(cause).unwrap_err().message, said);
        assert_eq!(shown(&job), first);
    }
    operators_pair(dir.path(), &operators_params());
    job.step(Cause::Asked).unwrap();
    assert_ne!(shown(&job), first, "at once, for it was asked");
}

/// As Kubernetes does it: the files are links into a directory that is itself swapped by a link.
#[test]
fn a_swapped_link_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    for made in [&old, &new] {
        fs::create_dir(made).unwrap();
        operators_pair(made, &operators_params());
    }
    let current = dir.path().join("current");
    std::os::unix::fs::symlink(&old, &current).unwrap();
    let mut job = started(IdentitySource::files(dir.path(), current.join("server.pem"), current.join("server.key")));
    let first = shown(&job);
    let swap = dir.path().join("swap");
    std::os::unix::fs::symlink(&new, &swap).unwrap();
    fs::rename(&swap, &current).unwrap();
    follow(&mut job).unwrap();
    assert_ne!(shown(&job), first);
}

#[test]
fn a_rotation_is_followed_and_the_chain_shrinks_by_itself_when_the_overlap_expires() {
    let data = tempfile::tempdir().unwrap();
    let mut job = started(own(data.path()));
    let overlap = Some(std::time::Duration::from_hours(1));
    let transition =
        RotationRequest { names: names(&["a.test"]), added: Vec::new(), constraints: Constraints::ToNames, overlap };
    let new = Authority::rotate(data.path(), &transition, &Clock::system()).unwrap();
    follow(&mut job).unwrap();
    let until = new.rotation(jiff::Timestamp::now()).unwrap().until();
    let length = |at: jiff::Timestamp| job.serving.current().shown_for(Some("a.test"), at).cert.len();
    let second = std::time::Duration::from_secs(1);
    assert_eq!((length(until - second), length(until + second)), (3, 2));
}
