//! Pairs of chain and key that a killed command has left in between.

use std::fs;

use super::*;

fn pair_of(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A data directory into which the certificate for `old.test` was imported, and where a command that was to import the one for
/// `new.test` was killed after so many steps.
fn killed_after(steps: usize) -> (tempfile::TempDir, PkiPaths) {
    let dir = tempfile::tempdir().unwrap();
    let paths = PkiPaths::new(dir.path());
    let ((old_chain, old_key), (chain, key)) = (pair_of("old.test"), pair_of("new.test"));
    let (given_chain, given_key) = (dir.path().join("given.pem"), dir.path().join("given.key"));
    write_public(&given_chain, old_chain.as_bytes()).unwrap();
    write_key(&given_key, old_key.as_bytes()).unwrap();
    imported(dir.path(), &given_chain, &given_key).unwrap();
    let left_next_to = |name: &str| paths.serving_dir().join(format!(".{name}.0123456789abcdef.tmp"));
    let half = if steps == 1 { &chain[..100] } else { &chain };
    write_public(&left_next_to("imported.pem"), half.as_bytes()).unwrap();
    if steps > 2 {
        write_key(&left_next_to("imported.key"), key.as_bytes()).unwrap();
    }
    if steps > 3 {
        fs::rename(left_next_to("imported.key"), paths.imported_key()).unwrap();
    }
    (dir, paths)
}

#[test]
fn a_killed_import_leaves_the_old_pair_or_the_new_one_and_nothing_else() {
    for (steps, name) in [(1, "old.test"), (2, "old.test"), (3, "old.test"), (4, "new.test")] {
        let (dir, paths) = killed_after(steps);
        let served = IdentitySource::data_directory(dir.path(), Vec::new()).prepare().unwrap();
        assert_eq!(served.summary().names, [name], "after {steps} steps");
        let mut left: Vec<_> = fs::read_dir(paths.serving_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["imported.key", "imported.pem"], "after {steps} steps");
    }
}

#[test]
fn the_next_command_begins_afresh() {
    let (dir, paths) = killed_after(4);
    imported(dir.path(), &dir.path().join("given.pem"), &dir.path().join("given.key")).unwrap();
    let served = IdentitySource::data_directory(dir.path(), Vec::new()).load().unwrap();
    assert_eq!(served.summary().names, ["old.test"]);
    assert_eq!(fs::read_dir(paths.serving_dir()).unwrap().count(), 2);
}
