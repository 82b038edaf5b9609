//! What the operator may bring, and what is refused with which words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use jiff::Timestamp;

use super::*;

fn load((chain, key): &(PathBuf, PathBuf)) -> Result<Identity, PkiError> {
    Identity::load(chain, key, Origin::Configured, Timestamp::now())
}

#[test]
fn a_good_pair_is_described_and_imported() {
    let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pair = operators_pair(dir.path(), &operators_params());
    let identity = load(&pair).unwrap();
    assert_eq!(identity.summary().names, ["given.test"]);
    assert_eq!(identity.origin(), Origin::Configured);
    let imported = imported(data.path(), &pair.0, &pair.1).unwrap();
    assert_eq!(&imported, identity.summary());

    let source = IdentitySource::data_directory(data.path(), names(&["a.test"]));
    assert_eq!(source.prepare().unwrap().origin(), Origin::Imported, "no authority is needed for it");
    remove_import(data.path());
    assert!(source.prepare().is_err(), "neither import nor authority");
    Authority::create(data.path(), &names(&["a.test"]), Constraints::ToNames, &Clock::system()).unwrap();
    assert_eq!(source.prepare().unwrap().origin(), Origin::ManagedCa);
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let pair = operators_pair(dir.path(), &operators_params());
    fs::set_permissions(&pair.1, fs::Permissions::from_mode(0o644)).unwrap();
    let text = load(&pair).unwrap_err().to_string();
    assert!(text.contains("server.key has mode 0644") && text.contains("chmod 600"), "{text}");
    assert!(matches!(imported(dir.path(), &pair.0, &pair.1), Err(PkiError::KeyExposed { .. })));
    assert!(!PkiPaths::new(dir.path()).imported_chain().exists(), "nothing was imported");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chain, _) = operators_pair(dir.path(), &operators_params());
    let (_, key) = operators_pair(other.path(), &operators_params());
    assert!(matches!(load(&(chain, key)), Err(PkiError::KeyMismatch { .. })));
}

#[test]
fn time_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = operators_params();
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - time::Duration::days(9), now - time::Duration::hours(1));
    let text = load(&operators_pair(dir.path(), &params)).unwrap_err().to_string();
    assert!(text.contains("expired on") && text.contains("server.pem"), "{text}");
    (params.not_before, params.not_after) = (now + time::Duration::hours(1), now + time::Duration::days(9));
    let text = load(&operators_pair(dir.path(), &params)).unwrap_err().to_string();
    assert!(text.contains("valid only from") && text.contains("clock"), "{text}");
}

#[test]
fn a_chain_out_of_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = names(&["a.test"]);
    let mut authority = Authority::create(dir.path(), &wanted, Constraints::ToNames, &Clock::system()).unwrap();
    renew_leaf(dir.path(), &mut authority, &wanted).unwrap();
    let paths = PkiPaths::new(dir.path());
    let good = (paths.leaf_chain(), paths.leaf_key());
    load(&good).unwrap();
    // The root where the issuing certificate belongs.
    let leaf_only = fs::read_to_string(&good.0).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let leaf_only = &leaf_only[..leaf_only.find(end).unwrap() + end.len()];
    fs::write(&good.0, leaf_only.to_owned() + &authority.root_pem()).unwrap();
    let text = load(&good).unwrap_err().to_string();
    assert!(text.contains("certificate 1 in") && text.contains("not signed by certificate 2"), "{text}");
}

#[test]
fn what_no_client_accepts_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let nameless = operators_pair(dir.path(), &in_time());
    assert!(matches!(load(&nameless), Err(PkiError::Unusable { .. })));
    let mut params = operators_params();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let text = load(&operators_pair(dir.path(), &params)).unwrap_err().to_string();
    assert!(text.contains("serverAuth"), "{text}");
}

#[test]
fn wrong_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let pair = operators_pair(dir.path(), &operators_params());
    let text = load(&(pair.1.clone(), pair.1.clone())).unwrap_err().to_string();
    assert!(text.contains("no BEGIN CERTIFICATE"), "{text}");
    write_key(&pair.1, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n").unwrap();
    assert!(load(&pair).unwrap_err().to_string().contains("openssl pkey"));
    write_key(&pair.1, b"nothing").unwrap();
    assert!(load(&pair).unwrap_err().to_string().contains("no BEGIN PRIVATE KEY"));
    write_public(&pair.0, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(load(&pair).is_err());
    assert!(load(&(dir.path().join("absent"), pair.1.clone())).unwrap_err().to_string().contains("absent"));
}

/// The command that half the internet tells people to run.
#[test]
fn the_self_signed_certificate_of_the_usual_recipe_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let pair = (dir.path().join("domain.crt"), dir.path().join("domain.key"));
    for kind in [&["rsa:2048"][..], &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]] {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=registry.test"])
            .args(["-addext", "subjectAltName=DNS:registry.test", "-newkey"])
            .args(kind)
            .arg("-keyout")
            .arg(&pair.1)
            .arg("-out")
            .arg(&pair.0)
            .output();
        if made.is_err() {
            return; // No openssl on this machine.
        }
        fs::set_permissions(&pair.1, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load(&pair).unwrap().summary().names, ["registry.test"]);
    }
}
