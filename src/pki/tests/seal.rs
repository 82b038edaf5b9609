//! The root key put away and brought back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use super::*;

const PASSPHRASE: &str = "correct horse battery staple";

fn authority() -> (tempfile::TempDir, PkiPaths) {
    let dir = tempfile::tempdir().unwrap();
    Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let paths = PkiPaths::new(dir.path());
    (dir, paths)
}

fn place(dir: &tempfile::TempDir) -> RootKeyLocation {
    Authority::load(dir.path(), &Clock::system()).unwrap().root_key_location()
}

fn moved(data_dir: &Path, to: &Path, passphrase: Option<&str>) -> Result<(), PkiError> {
    move_root_key(data_dir, NewKeyFile::create(data_dir, to)?, passphrase)
}

fn stored(dir: &tempfile::TempDir, from: Option<&Path>) -> Result<Option<StoredRootKey>, PkiError> {
    from.map(|file| StoredRootKey::read(dir.path(), file)).transpose()
}

fn unseal(dir: &tempfile::TempDir, from: Option<&Path>, passphrase: &str) -> Result<(), PkiError> {
    StoredRootKey::find(dir.path(), stored(dir, from)?)?.expect("it is not in its place").restore(passphrase)
}

#[test]
fn a_sealed_root_signs_nothing_until_unsealed_and_leaves_are_still_issued() {
    let (dir, paths) = authority();
    let before = fs::read(paths.root_key()).unwrap();
    assert_eq!(seal_root_key(dir.path(), PASSPHRASE).unwrap(), paths.sealed_root_key());
    assert!(!paths.root_key().exists());
    assert_eq!(fs::metadata(paths.sealed_root_key()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(place(&dir), RootKeyLocation::Sealed);
    let mut sealed = Authority::load(dir.path(), &Clock::system()).unwrap();
    let leaf = chain(&sealed.issue_leaf(&names(&["a.test"])).unwrap().chain_pem);
    client_accepts(sealed.root_der(), &leaf, "a.test").unwrap();

    let wanted = names(&["a.test"]);
    let overlap = Some(Duration::from_hours(24));
    let rotation = RotationRequest { names: wanted, added: Vec::new(), constraints: Constraints::ToNames, overlap };
    let text = Authority::rotate(dir.path(), &rotation, &Clock::system()).unwrap_err().to_string();
    assert!(text.contains("it is sealed") && text.contains("ca unseal` first"), "{text}");
    assert!(seal_root_key(dir.path(), PASSPHRASE).unwrap_err().to_string().contains("sealed already"));

    let wrong = unseal(&dir, None, "another passphrase").unwrap_err().to_string();
    assert!(wrong.contains("does not open"), "{wrong}");
    assert_eq!(place(&dir), RootKeyLocation::Sealed);
    unseal(&dir, None, PASSPHRASE).unwrap();
    assert_eq!((place(&dir), paths.sealed_root_key().exists()), (RootKeyLocation::Here, false));
    assert_eq!(KeyPair::from_pem(&String::from_utf8(before).unwrap()).unwrap().public_key_pem(), {
        KeyPair::from_pem(&fs::read_to_string(paths.root_key()).unwrap()).unwrap().public_key_pem()
    });
    Authority::rotate(dir.path(), &rotation, &Clock::system()).unwrap();
}

#[test]
fn it_is_moved_to_no_place_where_it_would_be_destroyed() {
    let (dir, paths) = authority();
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path(), link.path().join("data")).unwrap();
    let (before, leaf) = (fs::read(paths.root_key()).unwrap(), dir.path().join("away.key"));
    for to in [paths.sealed_root_key(), leaf, link.path().join("data/ca/away.key")] {
        let text = moved(dir.path(), &to, None).unwrap_err().to_string();
        assert!(text.contains("in the data directory") && text.contains("nothing changed"), "{text}");
        assert!(!to.exists() && fs::read(paths.root_key()).unwrap() == before, "{}", to.display());
    }
    let there = link.path().join("there");
    fs::write(&there, "precious").unwrap();
    let text = moved(dir.path(), &there, None).unwrap_err().to_string();
    assert!(text.contains("exists already") && fs::read(&there).unwrap() == b"precious", "{text}");
    let nowhere = moved(dir.path(), &link.path().join("absent/key"), None).unwrap_err().to_string();
    assert!(nowhere.contains("absent"), "{nowhere}");
    assert_eq!(fs::read(paths.root_key()).unwrap(), before);
}

#[test]
fn it_is_moved_off_the_host_plain_or_encrypted_and_brought_back() {
    for passphrase in [None, Some(PASSPHRASE)] {
        let ((dir, paths), elsewhere) = (authority(), tempfile::tempdir().unwrap());
        let file = elsewhere.path().join("root.key");
        moved(dir.path(), &file, passphrase).unwrap();
        assert!(!paths.root_key().exists() && !paths.sealed_root_key().exists());
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(place(&dir), RootKeyLocation::Elsewhere);
        let nowhere = unseal(&dir, None, "").unwrap_err().to_string();
        assert!(nowhere.contains("--from FILE"), "{nowhere}");
        assert_eq!(
            StoredRootKey::find(dir.path(), stored(&dir, Some(&file)).unwrap()).unwrap().unwrap().needs_passphrase(),
            passphrase.is_some()
        );
        unseal(&dir, Some(&file), passphrase.unwrap_or_default()).unwrap();
        assert_eq!(place(&dir), RootKeyLocation::Here);
        assert!(file.exists(), "the file is the operator's");
    }
}

#[test]
fn what_would_overwrite_or_mix_up_keys_is_refused() {
    let ((dir, paths), elsewhere) = (authority(), tempfile::tempdir().unwrap());
    let file = elsewhere.path().join("root.key");
    fs::write(&file, "someone's").unwrap();
    assert!(moved(dir.path(), &file, None).is_err());
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), place(&dir)), ("someone's", RootKeyLocation::Here));

    let (other, _) = authority();
    let foreign = elsewhere.path().join("foreign.key");
    moved(other.path(), &foreign, None).unwrap();
    let mine = elsewhere.path().join("mine.key");
    moved(dir.path(), &mine, None).unwrap();
    assert!(matches!(unseal(&dir, Some(&foreign), ""), Err(PkiError::KeyMismatch { .. })));
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(unseal(&dir, Some(&mine), ""), Err(PkiError::KeyExposed { .. })));
    assert!(!paths.root_key().exists());
}

#[test]
fn a_sealed_key_moves_as_it_is_and_a_copy_next_to_the_plain_one_goes() {
    let ((dir, paths), elsewhere) = (authority(), tempfile::tempdir().unwrap());
    let plain = fs::read(paths.root_key()).unwrap();
    seal_root_key(dir.path(), PASSPHRASE).unwrap();
    let file = elsewhere.path().join("root.key");
    moved(dir.path(), &file, None).unwrap();
    assert_eq!(place(&dir), RootKeyLocation::Elsewhere);
    unseal(&dir, Some(&file), PASSPHRASE).unwrap();
    // As an interrupted `seal` leaves it.
    fs::copy(&file, paths.sealed_root_key()).unwrap();
    assert!(StoredRootKey::find(dir.path(), None).unwrap().is_none());
    assert!(!paths.sealed_root_key().exists() && paths.root_key().exists());
    assert!(!plain.is_empty());
}
