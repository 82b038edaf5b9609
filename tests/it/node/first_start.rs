//! The first start, and the starts that are refused: what is made, what is said, what is left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use reqwest::{Method, StatusCode};

use crate::support::{Image, Raw, Server, eventually};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must be refused with exit code 1 and one line.
fn refused(server: &Server, arguments: &[&str]) -> String {
    let output = server.try_run(arguments, "");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    assert_eq!(text.trim_end().lines().count(), 1, "one line: {text}");
    text
}

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

#[tokio::test]
async fn an_empty_directory_becomes_a_registry_that_an_administrator_can_use() {
    let mut server = Server::absent("");
    server.spawn().await;
    let file = server.data().join("initial-admin-password");
    assert_eq!(fs::metadata(&file).expect("the password's file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(server.data()).expect("made").permissions().mode() & 0o777, 0o700);
    let text = fs::read_to_string(&file).expect("readable by its owner");
    let password = text.lines().next().expect("the password's line").to_owned();
    assert!(password.len() >= 16, "long enough");
    assert!(!server.log().contains(&password), "the password is not logged");
    assert!(server.log().contains("initial-admin-password"), "but where it is: {}", server.log());
    Image::of("first").push(&server.actor("admin", &password), "nginx", "v1").await;

    let ca = server.ca().to_owned();
    assert_eq!(server.stop().await.code(), Some(0));
    server.spawn().await;
    assert_eq!(String::from_utf8_lossy(&server.run(&["ca", "export"]).stdout), ca, "the CA is the same");
    let admin = server.actor("admin", &password);
    assert_eq!(admin.get("/v2/nginx/manifests/v1").await.status(), StatusCode::OK);
    let public = server.anonymous().get("/.well-known/portcullis/ca.pem").await.text().await.expect("PEM");
    assert_eq!(public.trim(), ca.trim(), "anybody may read the CA");

    server.run_with_input(&["user", "passwd", "admin", "--password-stdin"], "another one");
    assert!(!file.exists(), "the one-time password is of no use any more");
    eventually("the end of the first password", async || admin.token(&[]).await.is_none()).await;
    assert!(server.actor("admin", "another one").token(&[]).await.is_some());
}

#[test]
fn init_is_refused_the_second_time() {
    let mut server = Server::absent("");
    server.initialise();
    let ca = server.run(&["ca", "export"]).stdout;
    let text = refused(&server, &["init", "--host", "other.test"]);
    assert!(text.contains("already initialised on 20") && text.contains("nothing changed"), "{text}");
    assert_eq!(server.run(&["ca", "export"]).stdout, ca);
}

#[tokio::test]
async fn a_second_process_on_the_same_data_directory_is_refused() {
    let server = Server::start().await;
    let text = refused(&server, SERVE);
    assert!(text.contains(&format!("process {}", server.pid())) && text.contains("--data"), "{text}");
    assert_eq!(server.anonymous().get("/health/ready").await.status(), StatusCode::OK, "the first continues");
}

#[test]
fn a_port_in_use_leaves_no_half_made_registry() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let server = Server::absent("");
    let text = refused(&server, &["serve", "--listen", &address]);
    assert!(text.contains(&address) && text.contains("--listen"), "{text}");
    let left = files(server.data());
    assert!(left.iter().all(|path| path.ends_with("lock")), "nothing but the lock: {left:?}");
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found
}

#[tokio::test]
async fn a_key_that_others_can_read_stops_the_start() {
    let mut server = Server::start().await;
    server.stop().await;
    let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "key");
    let keys: Vec<PathBuf> = files(server.data()).into_iter().filter(is_key).collect();
    assert!(keys.len() >= 3, "root, leaf, seal: {keys:?}");
    for key in keys {
        assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600, "{}", key.display());
        fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("ours");
        let text = refused(&server, SERVE);
        assert!(text.contains("chmod") && text.contains(&key.display().to_string()), "{text}");
        fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("ours");
    }
    for file in files(server.data()).iter().filter(|path| !path.ends_with("README")) {
        let mode = fs::metadata(file).expect("there").permissions().mode();
        assert!(mode.trailing_zeros() >= 6 || !holds_secrets(file), "{} is {mode:o}", file.display());
    }
    server.spawn().await;
}

fn holds_secrets(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.contains(".key") || name.contains(".db") || name.contains("password")
}

/// A self-signed certificate for localhost and its key, as files.
fn foreign_pair(directory: &Path, name: &str, expired: bool) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    if expired {
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("signed");
    let (certificate_file, key_file) =
        (directory.join(format!("{name}.crt")), directory.join(format!("{name}-key.pem")));
    fs::write(&certificate_file, certificate.pem()).expect("written");
    fs::write(&key_file, key.serialize_pem()).expect("written");
    fs::set_permissions(&key_file, Permissions::from_mode(0o600)).expect("ours");
    (certificate_file.display().to_string(), key_file.display().to_string())
}

#[test]
fn a_certificate_of_the_operator_must_fit_its_key_and_be_in_date() {
    let mut server = Server::absent("");
    server.initialise();
    let (good, good_key) = foreign_pair(server.home(), "good", false);
    let (expired, expired_key) = foreign_pair(server.home(), "expired", true);
    let import = |cert: &str, key: &str| refused(&server, &["cert", "import", "--cert", cert, "--key", key]);
    let mismatch = import(&good, &expired_key);
    assert!(mismatch.contains("good.crt") || mismatch.contains("expired-key.pem"), "{mismatch}");
    let late = import(&expired, &expired_key);
    assert!(late.contains("expired"), "{late}");
    fs::set_permissions(&good_key, Permissions::from_mode(0o644)).expect("ours");
    let open = import(&good, &good_key);
    assert!(open.contains("chmod"), "{open}");
    fs::set_permissions(&good_key, Permissions::from_mode(0o600)).expect("ours");

    for (cert, key) in [(&good, &expired_key), (&expired, &expired_key)] {
        server.configure(&format!("[tls]\ncertificate = {cert:?}\nprivate_key = {key:?}\n"));
        refused(&server, SERVE);
    }
    server.configure("");
    server.run(&["cert", "import", "--cert", &good, "--key", &good_key]);
    let shown = server.run(&["--json", "cert", "show"]).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("import"), "{}", String::from_utf8_lossy(&shown));
}

#[test]
fn an_unknown_key_is_named_with_its_nearest_and_stops_everything() {
    let mut server = Server::absent("[server]\nlisen = \"127.0.0.1:0\"\n");
    let text = refused(&server, SERVE);
    assert!(text.contains("test.toml") && text.contains('2'), "file and line: {text}");
    assert!(text.contains("server.lisen") && text.contains("server.listen"), "{text}");
    assert!(!server.data().join("initialised").exists(), "nothing was made");
    server.configure("[auth]\ntoken_lifetime = \"1s\"\n");
    let text = refused(&server, &["config", "check"]);
    assert!(text.contains("auth.token_lifetime"), "{text}");
}

#[test]
fn wrong_usage_is_told_apart_from_refusal() {
    let server = Server::absent("");
    for arguments in [&["serve", "--lisen", "x"][..], &["user"], &["frobnicate"], &["serve", "--listen", "nonsense"]] {
        assert_eq!(server.try_run(arguments, "").status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(server.try_run(&["version"], "").status.code(), Some(0));
    let version: serde_json::Value = serde_json::from_slice(&server.run(&["version", "--json"]).stdout).expect("JSON");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let text = refused(&server, &["user", "list"]);
    assert!(text.contains("init") && text.contains("--data"), "what to do: {text}");
}

#[tokio::test]
async fn plain_http_is_told_what_to_do() {
    let server = Server::start().await;
    let host = server.host();
    let ask = async |request: String| {
        let mut plain = Raw::connect_plain(&server).await;
        plain.ask(&request).await
    };
    let catalog = ask(format!("GET /v2/_catalog HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    assert_eq!(catalog.status, 307);
    assert_eq!(catalog.header("location"), format!("https://{host}/v2/_catalog"));
    let push = ask(format!("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(push.status, 400);
    assert!(push.body.contains("HTTPS"), "{}", push.body);
    let exposed = ask(format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic YTpi\r\n\r\n")).await;
    assert_eq!(exposed.status, 400);
    assert!(exposed.body.contains("unencrypted") && exposed.body.contains("change"), "{}", exposed.body);
}

#[tokio::test]
async fn every_answer_names_the_protocol_and_the_request() {
    let server = Server::start().await;
    for path in ["/v2/", "/health/live", "/nowhere", "/v2/A/tags/list"] {
        let response = server.anonymous().bare(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.headers()["docker-distribution-api-version"], "registry/2.0", "{path}");
        assert!(response.headers().contains_key("x-request-id") && response.headers().contains_key("content-length"));
    }
}
