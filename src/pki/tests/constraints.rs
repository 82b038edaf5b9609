//! What a stolen CA key is worth: nothing outside of the registry's names.

use std::process::Command;

use rcgen::BasicConstraints;

use super::*;

/// Whether `openssl verify` accepts the chain for the name, strictly; `None` if there is no openssl.
pub(super) fn openssl_accepts(root: &Path, issuing: &str, leaf: &str, name: &str) -> Option<bool> {
    let dir = tempfile::tempdir().unwrap();
    let (leaf_path, issuing_path) = (dir.path().join("leaf.pem"), dir.path().join("issuing.pem"));
    std::fs::write(&leaf_path, leaf).unwrap();
    std::fs::write(&issuing_path, issuing).unwrap();
    let check = if name.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslserver", check, name, "-CAfile"])
        .arg(root)
        .arg("-untrusted")
        .args([&issuing_path, &leaf_path])
        .output();
    match output {
        Ok(output) => Some(output.status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("openssl: {error}"),
    }
}

/// Signs `name` with the authority's stolen issuing key and asks both verifiers; they must agree.
fn accepted(authority: &Authority, dir: &Path, name: &str) -> bool {
    let paths = PkiPaths::new(dir);
    let issuing = std::fs::read_to_string(paths.issuing_certificate()).unwrap();
    let forged = forge(&paths.issuing_certificate(), &paths.issuing_key(), vec![alternative(name)], IsCa::NoCa);
    let shown = chain(&(forged.cert.pem() + &issuing));
    let by_rustls = client_accepts(authority.root_der(), &shown, name).is_ok();
    if let Some(by_openssl) = openssl_accepts(&paths.root_certificate(), &issuing, &forged.cert.pem(), name) {
        assert_eq!(by_rustls, by_openssl, "{name}");
    }
    by_rustls
}

fn check(permitted: &[&str], constraints: Constraints, accepts: &[&str], refuses: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path(), &names(permitted), constraints, &Clock::system()).unwrap();
    for name in accepts {
        assert!(accepted(&authority, dir.path(), name), "{permitted:?} accepts {name}");
        assert!(authority.permits(&name.parse().unwrap()), "{name}");
    }
    for name in refuses {
        assert!(!accepted(&authority, dir.path(), name), "{permitted:?} refuses {name}");
        assert!(!authority.permits(&name.parse().unwrap()), "{name}");
    }
}

#[test]
fn names_and_addresses() {
    check(
        &["registry.test", "localhost", "192.168.1.20", "::1"],
        Constraints::ToNames,
        &["registry.test", "a.registry.test", "localhost", "192.168.1.20", "::1"],
        &["evil.test", "test", "xregistry.test", "192.168.1.21", "::2"],
    );
}

#[test]
fn host_names_alone_permit_no_address() {
    check(&["registry.test"], Constraints::ToNames, &["registry.test"], &["10.0.0.1", "2001:db8::1"]);
}

#[test]
fn one_family_of_addresses_does_not_permit_the_other() {
    check(&["a.test", "10.0.0.1"], Constraints::ToNames, &["10.0.0.1"], &["2001:db8::1"]);
    check(&["a.test", "2001:db8::1"], Constraints::ToNames, &["2001:db8::1"], &["10.0.0.1"]);
}

#[test]
fn addresses_alone_permit_no_host_name() {
    check(&["10.0.0.1"], Constraints::ToNames, &["10.0.0.1"], &["a.test", "localhost", "10.0.0.2"]);
}

#[test]
fn unconstrained_permits_all() {
    check(&["a.test"], Constraints::Unconstrained, &["evil.test", "10.0.0.1", "::1"], &[]);
}

/// A thief of the root key makes their own issuing certificate without constraints: the root's still hold.
#[test]
fn a_stolen_root_signs_for_its_names_alone() {
    let dir = tempfile::tempdir().unwrap();
    let authority =
        Authority::create(dir.path(), &names(&["registry.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    let paths = PkiPaths::new(dir.path());
    let is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let rogue = forge(&paths.root_certificate(), &paths.root_key(), Vec::new(), is_ca);
    let (rogue_pem, rogue_key) = (dir.path().join("rogue.pem"), dir.path().join("rogue.key"));
    std::fs::write(&rogue_pem, rogue.cert.pem()).unwrap();
    std::fs::write(&rogue_key, rogue.signing_key.serialize_pem()).unwrap();
    for (name, wanted) in [("registry.test", true), ("evil.test", false), ("10.0.0.1", false)] {
        let leaf = forge(&rogue_pem, &rogue_key, vec![alternative(name)], IsCa::NoCa);
        let shown = chain(&(leaf.cert.pem() + &rogue.cert.pem()));
        assert_eq!(client_accepts(authority.root_der(), &shown, name).is_ok(), wanted, "{name}");
        if let Some(ok) = openssl_accepts(&paths.root_certificate(), &rogue.cert.pem(), &leaf.cert.pem(), name) {
            assert_eq!(ok, wanted, "openssl, {name}");
        }
    }
}

#[test]
fn the_issued_chain_passes_openssl_strictly_and_the_constraints_are_critical() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["registry.test", "10.0.0.1"]);
    let mut authority = Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    let leaf = chain(&authority.issue_leaf(&wanted).unwrap().chain_pem);
    let paths = PkiPaths::new(dir.path());
    let issuing = std::fs::read_to_string(paths.issuing_certificate()).unwrap();
    let issued = authority.issue_leaf(&wanted).unwrap().chain_pem;
    for name in ["registry.test", "10.0.0.1"] {
        assert_ne!(openssl_accepts(&paths.root_certificate(), &issuing, &issued, name), Some(false), "{name}");
    }
    for der in [authority.root_der(), &leaf[1]] {
        let (_, ca) = x509_parser::parse_x509_certificate(der).unwrap();
        assert!(ca.name_constraints().unwrap().unwrap().critical);
        assert!(ca.is_ca());
    }
}
