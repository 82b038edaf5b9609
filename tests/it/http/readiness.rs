//! `/health/ready`: what a supervisor learns of the certificate, which never takes a node out of service.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reqwest::{Certificate, Client, StatusCode};
use serde_json::Value;

use crate::support::Server;

/// A self-signed certificate for localhost that ends in so many days: the lines of the configuration, and its PEM.
pub(super) fn operators_pair(directory: &Path, days: i64) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let now = time::OffsetDateTime::now_utc();
    parameters.not_before = now - time::Duration::days(80);
    parameters.not_after = now + time::Duration::days(days) + time::Duration::hours(1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let pem = parameters.self_signed(&key).expect("signed").pem();
    let (certificate, private_key) = (directory.join("operator.crt"), directory.join("operator-key.pem"));
    fs::write(&certificate, &pem).expect("written");
    fs::write(&private_key, key.serialize_pem()).expect("written");
    fs::set_permissions(&private_key, Permissions::from_mode(0o600)).expect("ours");
    let (certificate, private_key) = (certificate.display(), private_key.display());
    (format!("[tls]\ncertificate = \"{certificate}\"\nprivate_key = \"{private_key}\"\n"), pem)
}

/// What the server says to a client that trusts this certificate alone; it must say yes.
pub(super) async fn asked_with(ca: &str, port: u16, path: &str) -> String {
    let root = Certificate::from_pem(ca.as_bytes()).expect("PEM");
    let client = Client::builder().tls_certs_only([root]).build().expect("a client");
    let response = client.get(format!("https://localhost:{port}{path}")).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    response.text().await.expect("text")
}

async fn ready(days: i64) -> Value {
    let mut server = Server::absent("");
    server.initialise();
    let (pair, ca) = operators_pair(server.home(), days);
    server.configure(&pair);
    server.spawn().await;
    serde_json::from_str(&asked_with(&ca, server.port(), "/health/ready").await).expect("JSON")
}

#[tokio::test]
async fn a_fresh_certificate_is_told_without_a_warning() {
    let server = Server::start().await;
    let said: Value = server.anonymous().get("/health/ready").await.json().await.expect("JSON");
    assert_eq!(said["status"], "ready");
    let certificate = &said["certificate"];
    // Whole days of 90, less the moment since it was made.
    assert!(matches!(certificate["days_left"].as_i64(), Some(89 | 90)), "{said}");
    assert!(certificate["not_after"].as_str().is_some_and(|text| text.ends_with('Z')), "{said}");
    assert!(certificate.get("warning").is_none(), "{said}");
}

#[tokio::test]
async fn a_certificate_near_its_end_is_a_warning_and_the_node_stays_ready() {
    let said = ready(5).await;
    assert_eq!((&said["status"], &said["certificate"]["days_left"]), (&"ready".into(), &5.into()), "{said}");
    let warning = said["certificate"]["warning"].as_str().expect("a warning");
    assert!(warning.contains("tls.certificate"), "what fixes it: {warning}");
    assert!(ready(60).await["certificate"].get("warning").is_none());
}
