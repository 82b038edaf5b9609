//! Servers that lie, and servers that are not there: nothing is written, and the reason is named.

use rcgen::{IsCa, KeyUsagePurpose};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::client_host::{ClientHost, refusal, stdout};
use crate::support::hostile_server::{Ca, REGISTRY, constrained_to, ok};

/// Nothing is written, and the reason is named.
pub(crate) fn refused(registry: &str, pin: &str, why: &str) {
    let host = ClientHost::new();
    let text = refusal(&host.trust(registry, pin, &["--timeout", "3"]));
    assert!(text.contains(why), "wanted {why:?}: {text}");
    assert!(text.ends_with("Nothing was written\n"), "{text}");
    assert!(host.tree().is_empty(), "{why}: {:?}", host.tree());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_server_is_trusted_when_nothing_is_wrong() {
    let ca = Ca::new(|_| {});
    let registry = ca.serve("localhost", ok(&ca.pem()), REGISTRY).await;
    let host = ClientHost::new();
    stdout(&host.trust(&registry, &ca.pin(), &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_ca_files_are_refused() {
    let (ca, other) = (Ca::new(|_| {}), Ca::new(|_| {}));
    let (pem, pin) = (ca.pem(), ca.pin());
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'a'; 1 << 20]].concat();
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.test/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let cut_off = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", pem.len(), &pem[..100]).into_bytes();
    let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
    for (answer, why) in [
        (ok(&pem[..pem.len() / 2]), "is truncated before the certificate's end"),
        (cut_off, "was truncated"),
        (ok(&format!("{pem}{}", "\n".repeat(20_000))), "larger than 16384 bytes"),
        (endless, "larger than 16384 bytes"),
        (redirect, "redirects to \"https://elsewhere.test/\""),
        (missing, "answers 404"),
        (ok(&format!("{pem}{}", other.pem())), "several certificates"),
        (ok(&format!("{pem}garbage")), "something else than certificates"),
        (ok(""), "it is empty"),
        (ok("<html>"), "it holds no certificate"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "not valid HTTP"),
        (ok(&other.pem()), "REFUSED: the CA at"),
    ] {
        let registry = ca.serve("localhost", answer, REGISTRY).await;
        refused(&registry, &pin, why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_man_in_the_middle_with_another_ca_is_refused() {
    let (ca, attacker) = (Ca::new(|_| {}), Ca::new(|_| {}));
    let passes_on = attacker.serve("localhost", ok(&ca.pem()), REGISTRY).await;
    refused(&passes_on, &ca.pin(), "REFUSED: with the pinned CA as the only root");
    let own = attacker.serve("localhost", ok(&attacker.pem()), REGISTRY).await;
    refused(&own, &ca.pin(), "not the pinned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_not_fit_is_refused() {
    let expired = Ca::new(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let future = Ca::new(|params| params.not_before = rcgen::date_time_ymd(2900, 1, 1));
    let elsewhere = Ca::new(|params| params.name_constraints = Some(constrained_to("other.test")));
    let none = Ca::new(|params| {
        params.is_ca = IsCa::ExplicitNoCa;
        params.name_constraints = None;
    });
    let signs_nothing = Ca::new(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    for (ca, why) in [
        (expired, "expired on 2020-01-01"),
        (future, "valid only from 2900-01-01"),
        (elsewhere, "may not sign for `localhost` (its constraints permit other.test)"),
        (none, "does not say CA:TRUE"),
        (signs_nothing, "does not permit to sign"),
    ] {
        let registry = ca.serve("localhost", ok(&ca.pem()), REGISTRY).await;
        refused(&registry, &ca.pin(), why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_behind_the_ca_must_be_a_registry_of_that_name() {
    let ca = Ca::new(|_| {});
    let named_otherwise = ca.serve("a.localhost", ok(&ca.pem()), REGISTRY).await;
    refused(&named_otherwise, &ca.pin(), "REFUSED: with the pinned CA as the only root");
    let no_registry = ca.serve("localhost", ok(&ca.pem()), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    refused(&no_registry, &ca.pin(), "answers 200 without a registry's header");
    let missing = REGISTRY.replace("401 Unauthorized", "404 Not Found");
    let missing = ca.serve("localhost", ok(&ca.pem()), &missing).await;
    refused(&missing, &ca.pin(), "answers 404 with a registry's header");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_slow_or_without_tls_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent = format!("localhost:{}", free.local_addr().expect("bound").port());
    let pin = "0a".repeat(32);
    refused(&silent, &pin, "did not finish its answer within 3 s");
    drop(free);
    refused(&silent, &pin, "cannot connect to");
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("localhost:{}", plain.local_addr().expect("bound").port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    refused(&address, &pin, "does not speak TLS");
}
