//! The operator's own certificates and lists, in the forms that they come in.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use reqwest::{Method, StatusCode};

use crate::support::{ClientCa, Server};

const MARK: &str = "\u{feff}";

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A registry that takes client certificates, with this CA file and this list.
async fn with_lists(ca: &str, list: &str) -> Server {
    let mut server = Server::absent("");
    let (ca_file, list_file) = (server.home().join("clients.pem"), server.home().join("revoked.pem"));
    fs::write(&ca_file, ca).expect("written");
    fs::write(&list_file, list).expect("written");
    server.configure(&format!(
        "[client_certificates]\nca = \"{}\"\ncrl = [\"{}\"]\n",
        ca_file.display(),
        list_file.display()
    ));
    server.initialise();
    server.spawn().await;
    server.add_user("alice", "a password of alice");
    server
}

/// Whether a client with this certificate is let in; one that is not learns it in the handshake.
async fn lets_in(server: &Server, pair: &str) -> bool {
    let answer = server.certified(pair).bare(Method::GET, "/v2/").send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

#[tokio::test]
async fn a_revoked_certificate_stays_revoked_however_the_lists_were_joined() {
    let (one, two) = (ClientCa::new("one"), ClientCa::new("two"));
    let (first, second) = (one.crl(&[1], 30), two.crl(&[7], 30));
    let cas = format!("{}{}", one.pem().trim_end(), two.pem());
    for list in [
        format!("{}{second}", first.trim_end()),
        format!("{MARK}{first}{second}"),
        format!("{first}{MARK}{second}"),
        format!("{MARK}{}{second}", first.trim_end()).replace('\n', "\r\n"),
    ] {
        let server = with_lists(&format!("{MARK}{cas}"), &list).await;
        assert!(lets_in(&server, &one.pair("alice", 2)).await, "{list}");
        assert!(lets_in(&server, &two.pair("alice", 8)).await, "{list}");
        assert!(!lets_in(&server, &one.pair("alice", 1)).await, "revoked in the first: {list}");
        assert!(!lets_in(&server, &two.pair("alice", 7)).await, "revoked in the second: {list}");
    }
}

/// A certificate and its key in files, the key for its owner alone.
fn files(server: &Server, chain: &str, key: &str) -> (String, String) {
    let (chain_file, key_file): (PathBuf, PathBuf) = (server.home().join("given.crt"), server.home().join("given.key"));
    fs::write(&chain_file, chain).expect("written");
    fs::write(&key_file, key).expect("written");
    fs::set_permissions(&key_file, Permissions::from_mode(0o600)).expect("ours");
    (chain_file.display().to_string(), key_file.display().to_string())
}

#[tokio::test]
async fn what_clients_may_stumble_over_is_told_at_import_and_by_doctor() {
    let mut server = Server::absent("");
    server.initialise();
    let ca = rcgen::KeyPair::generate().expect("a key");
    let mut ca_params = rcgen::CertificateParams::default();
    ca_params.distinguished_name.push(rcgen::DnType::CommonName, "Intermediate");
    ca_params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::Issuer::new(ca_params, ca);
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.subject_alt_names.push(rcgen::SanType::DnsName("192.168.1.20".try_into().expect("ASCII")));
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("signed").pem();
    let (chain, key) = files(&server, &certificate, &key.serialize_pem());
    let imported = server.run(&["cert", "import", "--cert", &chain, "--key", &key]);
    let text = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert!(text.contains("IP:192.168.1.20") && text.contains("without an intermediate"), "{text}");
    let doctor = server.try_run(&["--json", "doctor"], "");
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(text.contains("IP:192.168.1.20") && text.contains("without an intermediate"), "{text}");
    server.spawn().await;
    assert!(server.log().contains("IP:192.168.1.20"), "{}", server.log());
}

#[test]
fn a_combined_file_is_imported_without_its_key() {
    let mut server = Server::absent("");
    server.initialise();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let both = format!("{MARK}{}{}", made.cert.pem().trim_end(), made.signing_key.serialize_pem());
    let (_, combined) = files(&server, "", &both);
    server.run(&["cert", "import", "--cert", &combined, "--key", &combined]);
    let written = fs::read_to_string(server.data().join("tls/imported.pem")).expect("imported");
    assert!(!written.contains("PRIVATE KEY") && written.contains("BEGIN CERTIFICATE"), "{written}");
}

#[test]
fn a_key_that_root_lends_to_a_group_is_fine_and_one_for_everyone_is_not() {
    assert!(rustix::process::geteuid().is_root(), "this story is about root's files: run the tests as root");
    let mut server = Server::absent("");
    server.initialise();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let (chain, key) = files(&server, &made.cert.pem(), &made.signing_key.serialize_pem());
    server.configure(&format!("[tls]\ncertificate = {chain:?}\nprivate_key = {key:?}\n"));
    for (mode, fine) in [(0o440, true), (0o640, true), (0o644, false), (0o660, false)] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).expect("ours");
        let shown = server.try_run(&["cert", "show"], "");
        assert_eq!(shown.status.success(), fine, "{mode:04o}: {}", stderr(&shown));
        assert!(fine || stderr(&shown).contains("chmod 600"), "{}", stderr(&shown));
    }
}
