//! Certificates by ACME, against a real authority: pebble.

mod pebble;
mod suggesting_directory;
mod visitor;

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use crate::support::{ClientCa, Server, eventually, require};
use pebble::{Pebble, free_port};
use portcullis::storage::metadata::AcmeChallengeRecord;
use serde_json::{Value, json};
use suggesting_directory::SuggestingDirectory;
use visitor::Visitor;

/// A registry for these names that orders from pebble, not started.
fn registry(pebble: &Pebble, directory: &str, names: &[&str], more: &str) -> Server {
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\nhosts = {names:?}\n[acme]\ndirectory = \"{directory}\"\nterms_agreed = true\n\
         contact = [\"ops@registry.test\"]\ndirectory_ca = \"{}\"\n{more}",
        pebble.tls_port,
        pebble.directory_ca().display(),
    );
    Server::absent(&config)
}

/// Where pebble looks for it.
fn listen(pebble: &Pebble) -> String {
    format!("127.0.0.1:{}", pebble.tls_port)
}

/// Waits until the name is served with a certificate of this root, and gives the connection.
async fn served(server: &Server, name: &str, root: &str) -> Visitor {
    let mut visitor = None;
    let what = format!("a certificate of the authority for {name}");
    eventually(&what, async || {
        visitor = Visitor::connect(server.port(), name, root).await.ok();
        visitor.is_some()
    })
    .await;
    visitor.expect("connected")
}

fn shown(server: &Server) -> Value {
    serde_json::from_slice(&server.run(&["cert", "show", "--json"]).stdout).expect("JSON")
}

fn stderr_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A command must not keep the runtime from what the test does meanwhile.
fn request(server: &Server) -> Output {
    tokio::task::block_in_place(|| server.try_run(&["cert", "request"], ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_certificate_is_ordered_while_serving_and_taken_up_without_a_restart() {
    let Some(pebble) = Pebble::start().await else { return };
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test", "b.registry.test"], "");
    server.spawn_on(&listen(&pebble)).await;
    let mut early = Visitor::connect(server.port(), "localhost", server.ca()).await.expect("serves its own at once");
    assert_eq!(early.get("/.well-known/portcullis/ca.pem").await.expect("an answer"), 200);

    let root = pebble.root().await;
    let mut visitor = served(&server, "registry.test", &root).await;
    assert_eq!(visitor.get("/v2/").await.expect("an answer"), 401);
    assert_eq!(visitor.get("/.well-known/portcullis/ca.pem").await.expect("an answer"), 404, "another authority's");
    assert!(Visitor::connect(server.port(), "b.registry.test", &root).await.is_ok());
    assert_eq!(early.get("/v2/").await.expect("the open connection continues"), 401);
    assert!(server.log().contains("the registry's own certificate is served until"));

    let shown = shown(&server);
    assert_eq!((&shown["source"], &shown["directory"]), (&"ACME".into(), &pebble.directory().into()));
    let mode = fs::metadata(server.data().join("tls/acme.key")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(stderr_of(&server.try_run(&["ca", "trust-command"], "")).contains("not signed by this registry's CA"));
    server.run(&["health"]);

    let before = visitor.certificate();
    server.stop().await;
    server.spawn_on(&listen(&pebble)).await;
    let again = Visitor::connect(server.port(), "registry.test", &root).await.expect("served from the start");
    assert_eq!(again.certificate(), before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!server.log().contains("ordering a certificate"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_client_needs_a_certificate_the_authority_that_validates_needs_none() {
    let Some(pebble) = Pebble::start().await else { return };
    let ca = ClientCa::new("clients");
    let files = tempfile::tempdir().expect("a folder");
    let required = format!(
        "[client_certificates]\nca = \"{}\"\nrequired = true\n",
        ca.write(&files.path().join("clients.pem")).display()
    );
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test"], &required);
    server.spawn_on(&listen(&pebble)).await;
    eventually("a certificate of the authority", async || shown(&server)["source"] == "ACME").await;
    let root = pebble.root().await;
    let entered = match Visitor::connect(server.port(), "registry.test", &root).await {
        Ok(mut visitor) => visitor.get("/v2/").await.is_ok(),
        Err(_) => false,
    };
    assert!(!entered, "others do need one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validating_handshake_serves_nothing() {
    let Some(pebble) = Pebble::start().await else { return };
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    server.spawn_on(&listen(&pebble)).await;
    let root = pebble.root().await;
    drop(served(&server, "registry.test", &root).await);
    let offering = async |protocols: &[&str]| Visitor::offering(server.port(), "registry.test", &root, protocols).await;
    assert!(offering(&["acme-tls/1"]).await.is_err(), "nothing is pending");
    let mut mixed = offering(&["acme-tls/1", "http/1.1"]).await.expect("an ordinary handshake");
    assert_eq!(mixed.protocol(), Some(b"http/1.1".as_slice()));
    assert_eq!(mixed.get("/v2/").await.expect("an answer"), 401);

    // A challenge that another process has put into the database is answered, by its certificate alone.
    let metadata = server.database().open().await;
    let challenge = AcmeChallengeRecord {
        name: "registry.test".to_owned(),
        token: "token".to_owned(),
        key_authorization: "token.thumbprint".to_owned(),
        expires_at: i64::from(u32::MAX),
    };
    metadata.add_acme_challenges(vec![challenge]).await.expect("added");
    let ordinary = Visitor::connect(server.port(), "registry.test", &root).await.expect("served").certificate();
    let mut validating = None;
    eventually("the challenge is answered", async || {
        validating = Visitor::validating(server.port(), "registry.test").await.ok();
        validating.is_some()
    })
    .await;
    let mut validating = validating.expect("connected");
    assert_eq!(validating.protocol(), Some(b"acme-tls/1".as_slice()));
    assert_ne!(validating.certificate(), ordinary);
    assert!(validating.get("/v2/").await.is_err(), "nothing is served after it");
    assert!(Visitor::validating(server.port(), "other.test").await.is_err(), "for another name nothing is pending");
    assert_eq!(
        Visitor::connect(server.port(), "registry.test", &root).await.expect("served").certificate(),
        ordinary,
        "and everyone else sees the ordinary certificate"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_answers_challenges_and_sends_everyone_else_to_https() {
    let Some(pebble) = Pebble::start().await else { return };
    let more = format!("challenge = \"http-01\"\nhttp_listen = \"127.0.0.1:{}\"\n", pebble.http_port);
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test"], &more);
    server.spawn().await;
    served(&server, "registry.test", &pebble.root().await).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let client = client.expect("a client");
    let base = format!("http://127.0.0.1:{}", pebble.http_port);
    let sent = client.get(format!("{base}/v2/?n=1")).send().await.expect("an answer");
    assert_eq!(sent.status(), 307);
    assert_eq!(crate::support::header(&sent, "location"), format!("https://127.0.0.1:{}/v2/?n=1", server.port()));
    let with_password = client.get(&base).basic_auth("alice", Some("x")).send().await.expect("an answer");
    assert_eq!(with_password.status(), 400);
    let unknown = client.get(format!("{base}/.well-known/acme-challenge/x")).send().await.expect("an answer");
    assert_eq!(unknown.status(), 404);
    server.stop().await;
    let alone = request(&server);
    assert!(alone.status.success(), "without the server the command listens: {alone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_bound_to_one_that_the_authority_knows() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let settings = json!({ "externalAccountBindingRequired": true, "externalAccountMACKeys": { "kid-1": key } });
    let Some(pebble) = Pebble::start_with(&settings).await else { return };
    let unbound = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    unbound.run(&["init"]);
    let text = stderr_of(&request(&unbound));
    assert!(text.contains("making an account") && text.contains("externalAccountRequired"), "{text}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("eab.key");
    let more = format!("eab_kid = \"kid-1\"\neab_key_file = \"{}\"\n", file.display());
    let bound = registry(&pebble, &pebble.directory(), &["registry.test"], &more);
    bound.run(&["init"]);
    fs::write(&file, key).expect("writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    assert!(stderr_of(&request(&bound)).contains("chmod 600"), "others may read it");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    let ordered = request(&bound);
    assert!(ordered.status.success(), "{ordered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_validated_as_well_as_names() {
    let Some(pebble) = Pebble::start().await else { return };
    let interfaces = if_addrs::get_if_addrs().expect("listed");
    let mut addresses = interfaces.into_iter().map(|interface| interface.ip());
    let address = addresses.find(|ip| matches!(ip, IpAddr::V4(v4) if !v4.is_loopback() && !v4.is_link_local()));
    if !require(address.is_some(), "an address other than loopback", "give one to a network interface") {
        return;
    }
    let address = address.expect("required").to_string();
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test", &address], "");
    server.spawn_on(&format!("0.0.0.0:{}", pebble.tls_port)).await;
    let root = pebble.root().await;
    served(&server, &address, &root).await;
    assert!(Visitor::connect(server.port(), "registry.test", &root).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_renews_and_open_connections_continue() {
    let Some(pebble) = Pebble::start().await else { return };
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    server.spawn_on(&listen(&pebble)).await;
    let root = pebble.root().await;
    let mut old = served(&server, "registry.test", &root).await;
    let requested = tokio::task::block_in_place(|| server.run(&["cert", "request", "--json"]));
    let requested: Value = serde_json::from_slice(&requested.stdout).expect("JSON");
    assert_eq!(requested["names"], json!(["registry.test"]));
    eventually("the new certificate", async || {
        let new = Visitor::connect(server.port(), "registry.test", &root).await.expect("served");
        assert_eq!(old.get("/v2/").await.expect("the open connection continues"), 401);
        new.certificate() != old.certificate()
    })
    .await;
    assert_eq!(shown(&server)["sha256"], requested["sha256"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_registry_gets_its_certificate_by_the_command_alone() {
    let Some(mut pebble) = Pebble::start().await else { return };
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    server.run(&["init"]);
    let first = request(&server);
    assert!(first.status.success(), "{first:?}");
    assert_eq!(shown(&server)["source"], "ACME");
    server.spawn_on(&listen(&pebble)).await;
    drop(Visitor::connect(server.port(), "registry.test", &pebble.root().await).await.expect("served from the start"));
    server.stop().await;
    // The authority forgets everything, the account as well.
    pebble.restart().await;
    let second = tokio::task::block_in_place(|| server.try_run(&["cert", "renew"], ""));
    assert!(second.status.success(), "{second:?}");
    server.spawn_on(&listen(&pebble)).await;
    assert!(Visitor::connect(server.port(), "registry.test", &pebble.root().await).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_in_time() {
    let Some(pebble) = Pebble::start_with(&json!({ "certificateValidityPeriod": 24 })).await else { return };
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    server.spawn_on(&listen(&pebble)).await;
    let root = pebble.root().await;
    let mut first = served(&server, "registry.test", &root).await;
    eventually("the next certificate", async || {
        let next = Visitor::connect(server.port(), "registry.test", &root).await.expect("never without a valid one");
        first.get("/v2/").await.expect("the open connection continues");
        tokio::time::sleep(Duration::from_millis(300)).await;
        next.certificate() != first.certificate()
    })
    .await;
    assert!(server.log().contains("two thirds of its life have passed"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_validation_says_what_to_check_and_changes_nothing() {
    let Some(pebble) = Pebble::start().await else { return };
    let mut server = registry(&pebble, &pebble.directory(), &["registry.test", "away.registry.test"], "");
    pebble.point("away.registry.test", "127.0.0.9").await;
    server.spawn_on(&listen(&pebble)).await;
    eventually("the failure in the log", async || server.log().contains("no certificate could be ordered")).await;
    let text = stderr_of(&request(&server));
    for says in ["could not validate away.registry.test: ", "127.0.0.9", "port 443", "resolves to this host"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(!text.contains("validate registry.test"), "only what failed: {text}");
    assert!(Visitor::connect(server.port(), "localhost", server.ca()).await.is_ok(), "its own is still served");

    pebble.point("away.registry.test", "127.0.0.1").await;
    let fixed = request(&server);
    assert!(fixed.status.success(), "{fixed:?}");
    let root = pebble.root().await;
    let before = served(&server, "away.registry.test", &root).await.certificate();
    pebble.point("away.registry.test", "127.0.0.9").await;
    stderr_of(&request(&server));
    assert_eq!(served(&server, "registry.test", &root).await.certificate(), before, "the ordered one is still served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_replaced_when_the_authority_says_so() {
    let Some(pebble) = Pebble::start().await else { return };
    let suggesting = SuggestingDirectory::start(&pebble).await;
    let mut server = registry(&pebble, &suggesting.url, &["registry.test"], "");
    server.spawn_on(&listen(&pebble)).await;
    let root = pebble.root().await;
    let first = served(&server, "registry.test", &root).await.certificate();
    eventually("asked when to renew", async || suggesting.asked() > 0).await;
    suggesting.revoke();
    // A start asks at once; otherwise the next question comes when the authority wants it, a minute later at the earliest.
    server.stop().await;
    server.spawn_on(&listen(&pebble)).await;
    eventually("another certificate", async || {
        let visitor = Visitor::connect(server.port(), "registry.test", &root).await.expect("served all the time");
        visitor.certificate() != first
    })
    .await;
    assert!(server.log().contains("the authority suggests to renew now"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_away_or_not_trusted_is_named() {
    let Some(pebble) = Pebble::start().await else { return };
    let nowhere = format!("https://127.0.0.1:{}/dir", free_port());
    let server = registry(&pebble, &nowhere, &["registry.test"], "");
    server.run(&["init"]);
    let text = stderr_of(&request(&server));
    assert!(text.contains(&nowhere) && text.contains("cannot connect") && text.contains("acme.directory"), "{text}");
    let mut untrusted = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    untrusted.configure(&format!(
        "[server]\nlisten = \"{}\"\nhosts = [\"registry.test\"]\n[acme]\ndirectory = \"{}\"\nterms_agreed = true\n",
        listen(&pebble),
        pebble.directory()
    ));
    untrusted.run(&["init"]);
    let text = stderr_of(&request(&untrusted));
    assert!(text.contains("acme.directory_ca"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_encrypted_in_the_database() {
    let Some(pebble) = Pebble::start().await else { return };
    let server = registry(&pebble, &pebble.directory(), &["registry.test"], "");
    server.run(&["init"]);
    assert!(request(&server).status.success());
    assert!(server.database().holds(&pebble.directory()), "the account is there");
    assert!(!server.database().holds("key_pkcs8"), "and nothing of it can be read");
    let import = server.try_run(&["cert", "import", "--cert", "x", "--key", "y"], "");
    assert!(stderr_of(&import).contains("ACME is enabled"));
}
