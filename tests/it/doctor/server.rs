//! On the server.

use super::Report;
use crate::support::client_ca::ClientCa;
use crate::support::client_host::{ClientHost, stdout};
use crate::support::{Cluster, Server, eventually};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

fn doctor(server: &Server) -> Report {
    Report::of(&server.try_run(&["doctor", "--json"], ""))
}

/// Initialised, not running, and told to listen on a port of its own.
fn stopped(more: &str) -> Server {
    let mut server = Server::absent(more);
    server.initialise();
    server
}

#[tokio::test]
async fn a_healthy_server_has_no_problem() {
    let server = Server::start().await;
    let report = doctor(&server);
    report.healthy();
    for check in ["config", "data", "server", "clock", "disk", "keys", "database", "certificate", "ca", "port", "reach"]
    {
        assert!(report.has(check, "ok"), "{check}: {:#?}", report.findings);
    }
    report.find("server", "ok", &format!("process {}", server.pid()));
    report.find("port", "ok", &server.port().to_string());
    report.find("reach", "ok", &server.host());
    report.find("reach", "ok", &format!("127.0.0.1:{}", server.port()));
    let text = server.run(&["doctor"]).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(text.lines().any(|line| line.starts_with("ok       database: ")), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours into a pipe: {text}");
}

#[test]
fn a_stopped_server_is_a_problem_and_the_rest_is_checked() {
    let server = stopped("[server]\nlisten = \"127.0.0.1:0\"\n");
    let before: Vec<_> =
        fs::read_dir(server.data()).expect("there").map(|entry| entry.expect("there").path()).collect();
    let report = doctor(&server);
    assert!(report.fix("server", "no server runs on").contains("portcullis serve --data"));
    for check in ["keys", "database", "certificate", "ca", "port", "disk"] {
        assert!(report.has(check, "ok"), "{check}: {:#?}", report.findings);
    }
    report.find("reach", "warning", "not checked");
    let after: Vec<_> = fs::read_dir(server.data()).expect("there").map(|entry| entry.expect("there").path()).collect();
    assert_eq!(before, after, "nothing was made or removed");
}

#[tokio::test]
async fn a_key_that_others_can_read() {
    let server = Server::start().await;
    for (path, mode) in [("tls/leaf.key", 0o644), ("ca/root.key", 0o646), ("keys/seal.key", 0o604)] {
        let path = server.data().join(path);
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        let fix = doctor(&server).fix("keys", &path.display().to_string()).to_owned();
        assert_eq!(fix, format!("chmod 600 {}", path.display()));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
    }
    fs::set_permissions(server.data(), Permissions::from_mode(0o777)).expect("ours");
    assert!(doctor(&server).fix("data", "0777").starts_with("chmod 700 "));
    fs::set_permissions(server.data(), Permissions::from_mode(0o700)).expect("ours");
    doctor(&server).healthy();
}

/// What an orchestrator gave to a group, the next start corrects; a diagnosis changes nothing.
#[test]
fn a_key_that_its_group_can_read_is_a_warning_and_stays_as_it_is() {
    let server = stopped("");
    for lent in ["ca/root.key", "ca/issuing.key", "tls/leaf.key", "keys/seal.key"] {
        let lent = server.data().join(lent);
        fs::set_permissions(&lent, Permissions::from_mode(0o660)).expect("ours");
        doctor(&server).find("keys", "warning", &lent.display().to_string());
        let mode = fs::metadata(&lent).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o660, "{}", lent.display());
        fs::set_permissions(&lent, Permissions::from_mode(0o600)).expect("ours");
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_will_soon() {
    let mut server = Server::start().await;
    for (days, state) in [(-3, "problem"), (5, "warning"), (60, "ok")] {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let now = time::OffsetDateTime::now_utc();
        parameters.not_before = now - time::Duration::days(80);
        parameters.not_after = now + time::Duration::days(days);
        let key = rcgen::KeyPair::generate().expect("a key");
        let (crt, pem) = (server.home().join("own.crt"), server.home().join("own.key"));
        fs::write(&crt, parameters.self_signed(&key).expect("signed").pem()).expect("written");
        fs::write(&pem, key.serialize_pem()).expect("written");
        fs::set_permissions(&pem, Permissions::from_mode(0o600)).expect("ours");
        server.configure(&format!("[tls]\ncertificate = {crt:?}\nprivate_key = {pem:?}\n"));
        let report = doctor(&server);
        assert!(report.has("certificate", state), "{days}: {:#?}", report.findings);
        if state == "problem" {
            assert!(report.fix("certificate", "expired").contains("own.crt"));
        } else {
            // The server was started with its own certificate, and knows nothing of the new configuration.
            report.find("port", "problem", "another certificate");
        }
    }
}

#[tokio::test]
async fn a_name_that_the_certificate_lacks() {
    let mut server = Server::start().await;
    server.configure("[server]\nhosts = [\"localhost\", \"other.test\"]\n");
    assert!(doctor(&server).fix("names", "other.test").starts_with("portcullis ca rotate --host other.test"));
    server.configure("[server]\nhosts = [\"sub.localhost\"]\n");
    assert_eq!(doctor(&server).fix("names", "sub.localhost"), "portcullis cert renew");
}

#[test]
fn a_port_that_another_program_holds() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let server = stopped(&format!("[server]\nlisten = \"{address}\"\n"));
    let report = doctor(&server);
    let finding = report.find("port", "problem", &format!("port {}", address.port()));
    assert!(finding["what"].as_str().expect("text").contains(&format!("process {}", std::process::id())), "{finding}");
    assert!(finding["fix"].as_str().expect("text").contains("server.listen"), "{finding}");
}

#[test]
fn a_database_that_is_damaged_missing_or_another_file() {
    let server = stopped("");
    let path = server.data().join("portcullis.db");
    let good = fs::read(&path).expect("readable");
    let mut damaged = good.clone();
    let middle = damaged.len() / 4;
    damaged[middle..].fill(0x5a);
    for bytes in [damaged, b"this is not a database, but long enough to be read as one".repeat(20)] {
        fs::write(&path, &bytes).expect("writable");
        let report = doctor(&server);
        assert!(report.fix("database", "portcullis.db").contains("backup"));
        assert_eq!(fs::read(&path).expect("readable"), bytes, "it is not touched");
    }
    fs::remove_file(&path).expect("ours");
    assert!(doctor(&server).fix("database", "does not exist").contains("backup"));
    assert!(!path.exists(), "it is not made");
    fs::write(&path, good).expect("writable");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
    assert!(doctor(&server).has("database", "ok"));
}

#[tokio::test]
async fn a_disk_without_enough_free_space() {
    let mut server = Server::start().await;
    server.configure("[storage]\nmin_free_space = \"1000TiB\"\n");
    let report = doctor(&server);
    assert!(report.find("disk", "problem", "1000 TiB")["why"].as_str().expect("text").contains("507"));
}

#[tokio::test]
async fn a_configuration_that_is_wrong_does_not_hide_the_rest() {
    let mut server = Server::start().await;
    server.configure("[server]\nlisen = \"127.0.0.1:0\"\n[auth]\ntoken_lifetime = \"1s\"\n");
    let report = doctor(&server);
    report.find("config", "problem", "server.lisen");
    report.find("config", "problem", "auth.token_lifetime");
    report.find("config", "warning", "defaults");
    for check in ["server", "database", "certificate", "port", "reach"] {
        assert!(report.has(check, "ok"), "{check}: {:#?}", report.findings);
    }
}

#[test]
fn a_data_directory_that_is_missing_empty_or_a_file() {
    let server = Server::absent("[server]\nlisten = \"127.0.0.1:0\"\n");
    assert!(doctor(&server).fix("data", "cannot access").contains("portcullis init"));
    assert!(!server.data().exists(), "it is not made");
    fs::create_dir(server.data()).expect("writable");
    assert!(doctor(&server).fix("data", "not initialised").contains("portcullis init"));
    fs::remove_dir(server.data()).expect("ours");
    fs::write(server.data(), "a file").expect("writable");
    assert!(doctor(&server).fix("data", "not a directory").contains("--data"));
}

#[tokio::test]
async fn a_first_password_that_is_still_there_is_a_warning() {
    let mut server = Server::absent("");
    server.spawn().await;
    let report = doctor(&server);
    report.healthy();
    let finding = report.find("data", "warning", "initial-admin-password");
    assert_eq!(finding["fix"], "portcullis user passwd admin");
}

#[test]
fn missing_keys_and_certificates_are_named() {
    let server = stopped("");
    fs::remove_file(server.data().join("ca/issuing.pem")).expect("ours");
    let report = doctor(&server);
    assert_eq!(report.fix("ca", "issuing.pem"), "portcullis cert renew");
    assert!(!server.data().join("ca/issuing.pem").exists(), "doctor makes nothing");
    fs::remove_dir_all(server.data().join("ca")).expect("ours");
    fs::remove_dir_all(server.data().join("tls")).expect("ours");
    let report = doctor(&server);
    report.find("certificate", "problem", "leaf.pem");
    report.find("ca", "problem", "root.pem");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_requires_client_certificates_is_healthy() {
    let mut server = Server::absent("");
    server.initialise();
    let ca = ClientCa::new("clients").write(&server.home().join("clients.pem"));
    server.configure(&format!("[client_certificates]\nca = \"{}\"\nrequired = true\n", ca.display()));
    server.spawn().await;
    let report = doctor(&server);
    report.healthy();
    report.find("reach", "ok", "clients with a certificate");
    let host = ClientHost::new();
    let run = || host.run(&["doctor", &server.host(), "--json"]);
    let report = Report::of(&tokio::task::block_in_place(run));
    let finding = report.find("registry", "warning", "client certificate");
    assert!(finding["fix"].as_str().expect("text").contains("client.key"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_reported_and_is_a_problem_on_neither_side() {
    let server = Server::start().await;
    let (registry, host) = (server.host(), ClientHost::new().with("usr/bin/podman", ""));
    let pin = |server: &Server| {
        let shown: serde_json::Value =
            serde_json::from_slice(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON");
        shown["sha256"].as_str().expect("a text").to_owned()
    };
    stdout(&host.trust(&registry, &pin(&server), &[]));
    server.run(&["ca", "rotate", "--host", "other.test", "--overlap", "24h"]);
    eventually("the new certificate", async || {
        doctor(&server).has("port", "ok") && !doctor(&server).has("reach", "problem")
    })
    .await;
    let report = doctor(&server);
    report.healthy();
    report.find("ca", "warning", "previous root");
    let run = || tokio::task::block_in_place(|| Report::of(&host.run(&["doctor", &registry, "--json"])));
    eventually("the new CA is handed out", async || {
        run().findings.iter().any(|finding| finding["what"].as_str().is_some_and(|text| text.contains(&pin(&server))))
    })
    .await;
    let report = run();
    report.healthy();
    report.find("authority", "ok", "pinned on this host");
    report.find("authority", "ok", &pin(&server));

    fs::rename(server.data().join("ca/root.key"), server.home().join("root.key")).expect("ours");
    fs::remove_file(server.data().join("ca/issuing.pem")).expect("ours");
    assert!(doctor(&server).fix("ca", "issuing.pem").starts_with("portcullis ca unseal --from"));
}

#[test]
fn a_certificate_that_acme_has_not_issued_yet() {
    let mut server = stopped("");
    server.configure(
        "[server]\nhosts = [\"registry.test\"]\n[acme]\ndirectory = \"https://acme.test/directory\"\nterms_agreed = true\n",
    );
    let report = doctor(&server);
    let finding = report.find("certificate", "warning", "own certificate is served");
    assert_eq!(finding["fix"], "portcullis cert request");
}

#[tokio::test]
async fn a_machine_with_only_the_configuration_and_the_key_asks_the_shared_database() {
    let cluster = Cluster::start(1).await;
    let key = cluster.node(0).home().join("absent.key").display().to_string();
    let mut elsewhere = Server::absent_on(cluster.url(), "[server]\nlisten = \"127.0.0.1:0\"\n");
    elsewhere.set_variable("PORTCULLIS_SECRETS_KEY_FILE", &key);
    let report = doctor(&elsewhere);
    report.healthy();
    report.find("data", "ok", "fetches them from the database");
    report.find("server", "ok", "has never served");
    assert!(report.has("database", "ok"), "{:#?}", report.findings);
    assert!(!elsewhere.data().exists(), "it is not made");

    let new = Server::absent_on(&crate::support::postgres::database(), "");
    fs::create_dir(new.data()).expect("writable");
    assert!(doctor(&new).fix("data", "not initialised").contains("portcullis init"));
    let mut away = Server::absent_on("postgres://portcullis@127.0.0.1:1/none", "");
    away.set_variable("PORTCULLIS_SECRETS_KEY_FILE", &key);
    doctor(&away).find("database", "problem", "cannot be read");
}
