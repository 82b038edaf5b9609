//! Files as operators have them: with byte order marks, glued together, with a key among the certificates. Nothing is lost silently.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use jiff::Timestamp;

use super::*;

const MARK: &str = "\u{feff}";

/// A certificate of an intermediate CA with it, and the key: `(leaf, issuing, key)` as PEM.
fn parts() -> (String, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut authority =
        Authority::create(dir.path(), &names(&["given.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let leaf = authority.issue_leaf(&names(&["given.test"])).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let (first, second) = leaf.chain_pem.split_at(leaf.chain_pem.find(end).unwrap() + end.len());
    (first.to_owned(), second.to_owned(), leaf.key_pem.to_string())
}

fn files(dir: &Path, chain: &str, key: &str) -> (PathBuf, PathBuf) {
    let pair = (dir.join("given.pem"), dir.join("given.key"));
    write_public(&pair.0, chain.as_bytes()).unwrap();
    write_key(&pair.1, key.as_bytes()).unwrap();
    pair
}

fn load((chain, key): &(PathBuf, PathBuf)) -> Result<Identity, PkiError> {
    Identity::load(chain, key, Origin::Configured, Timestamp::now())
}

#[test]
fn every_certificate_of_a_chain_is_sent_however_its_file_was_made() {
    let (leaf, issuing, key) = parts();
    let dir = tempfile::tempdir().unwrap();
    for chain in [
        format!("{leaf}{issuing}"),
        format!("{}{issuing}", leaf.trim_end()),
        format!("{MARK}{leaf}{issuing}"),
        format!("{MARK}{leaf}{MARK}{issuing}"),
        format!("{MARK}{}{issuing}", leaf.trim_end()).replace('\n', "\r\n"),
    ] {
        let identity = load(&files(dir.path(), &chain, &format!("{MARK}{key}"))).unwrap();
        assert_eq!(identity.certified().cert.len(), 2, "{chain}");
        assert!(identity.warnings().is_empty(), "{:?}", identity.warnings());
    }
    let damaged = format!("{leaf}{}", issuing.replace("-----BEGIN", "----BEGIN"));
    let text = load(&files(dir.path(), &damaged, &key)).unwrap_err().to_string();
    assert!(text.contains("given.pem") && text.contains("damaged"), "{text}");
    let list = issuing.replace("CERTIFICATE", "X509 CRL");
    let text = load(&files(dir.path(), &format!("{leaf}{issuing}{list}"), &key)).unwrap_err().to_string();
    assert!(text.contains("X509 CRL does not belong there") && text.contains("client_certificates.crl"), "{text}");
}

#[test]
fn a_combined_file_leaves_no_private_key_in_a_file_of_certificates() {
    let (leaf, issuing, key) = parts();
    let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let combined = dir.path().join("combined.pem");
    write_key(&combined, format!("{leaf}{}{issuing}", key.trim_end()).as_bytes()).unwrap();
    imported(data.path(), &combined, &combined).unwrap();
    let paths = PkiPaths::new(data.path());
    let written = fs::read_to_string(paths.imported_chain()).unwrap();
    assert!(!written.contains("PRIVATE KEY") && written.matches("BEGIN CERTIFICATE").count() == 2, "{written}");

    // As earlier versions have left it.
    write_public(&paths.imported_chain(), fs::read(&combined).unwrap().as_slice()).unwrap();
    let source = IdentitySource::data_directory(data.path(), Vec::new());
    assert_eq!(source.prepare().unwrap().origin(), Origin::Imported);
    assert!(!fs::read_to_string(paths.imported_chain()).unwrap().contains("PRIVATE KEY"));
}

#[test]
fn a_configured_file_with_a_key_in_it_is_as_secret_as_the_key() {
    let (leaf, issuing, key) = parts();
    let dir = tempfile::tempdir().unwrap();
    let pair = files(dir.path(), &format!("{leaf}{issuing}{key}"), &key);
    let text = load(&pair).unwrap_err().to_string();
    assert!(text.contains("given.pem has mode 0644"), "{text}");
    fs::set_permissions(&pair.0, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load(&(pair.0.clone(), pair.0)).unwrap().certified().cert.len(), 2, "one file for both");
}

#[test]
fn the_authoritys_own_files_are_read_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    let before = Authority::create(dir.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system())
        .unwrap()
        .fingerprint();
    let paths = PkiPaths::new(dir.path());
    for path in [paths.root_certificate(), paths.root_key(), paths.issuing_certificate(), paths.issuing_key()] {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{MARK}{}", text.replace('\n', "\r\n"))).unwrap();
    }
    assert_eq!(Authority::load(dir.path(), &Clock::system()).unwrap().fingerprint(), before);
    let twice = fs::read_to_string(paths.root_certificate()).unwrap();
    fs::write(paths.root_certificate(), format!("{}{twice}", twice.trim_end())).unwrap();
    let text = Authority::load(dir.path(), &Clock::system()).unwrap_err().to_string();
    assert!(text.contains("one certificate belongs here"), "{text}");
}
