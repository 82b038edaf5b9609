//! A registry whose CA changes: hosts follow by what the old one has signed, and by nothing else.

use std::process::Output;

use super::pin_of;
use crate::support::client_host::{ClientHost, refusal, stdout};
use crate::support::hostile_server::{Ca, REGISTRY, constrained_to, ok};
use crate::support::{Server, eventually};

/// The server's CA as anyone gets it.
async fn published(server: &Server) -> String {
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().expect("a client");
    let url = format!("https://{}/.well-known/portcullis/ca.pem", server.host());
    client.get(url).send().await.expect("an answer").text().await.expect("text")
}

/// Rotates, and waits until the server publishes the new CA. Returns it.
pub(crate) async fn rotate(server: &Server, arguments: &[&str]) -> String {
    server.run(&[&["ca", "rotate"], arguments].concat());
    let new = String::from_utf8(server.run(&["ca", "export"]).stdout).expect("PEM is text");
    eventually("the new CA", async || published(server).await == new).await;
    new
}

fn trust(host: &ClientHost, arguments: &[&str]) -> Output {
    tokio::task::block_in_place(|| host.run(&[&["trust"], arguments].concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_moves_to_the_new_ca_without_a_new_pin_and_nothing_stays_behind() {
    let server = Server::start().await;
    let (registry, old_pin) = (server.host(), pin_of(&server));
    let new_host = || {
        let host = ClientHost::new().with_command("usr/sbin/update-ca-certificates", 0);
        host.with("etc/os-release", "ID=debian\n")
    };
    let (without_pin, with_old_pin) = (new_host(), new_host());
    let untouched = [without_pin.tree(), with_old_pin.tree()];
    for host in [&without_pin, &with_old_pin] {
        stdout(&host.trust(&registry, &old_pin, &["--system"]));
    }
    let again = stdout(&trust(&without_pin, &[&registry]));
    assert!(again.lines().all(|line| line.starts_with("unchanged ")), "no pin is needed the second time: {again}");

    let new = rotate(&server, &[]).await;
    let new_pin = pin_of(&server);
    let paths = ["docker", "containers"].map(|tool| format!("etc/{tool}/certs.d/{registry}/ca.crt"));
    let store = format!("usr/local/share/ca-certificates/portcullis-localhost+{}.crt", server.port());
    let dry = stdout(&trust(&without_pin, &[&registry, "--dry-run"]));
    assert!(dry.contains(&format!("would replace /{}", paths[0])), "{dry}");
    for (host, pin, before) in
        [(&without_pin, None, &untouched[0]), (&with_old_pin, Some(old_pin.as_str()), &untouched[1])]
    {
        let pin: Vec<&str> = pin.iter().flat_map(|pin| ["--ca-sha256", pin]).collect();
        let arguments = [&[registry.as_str()], &pin[..]].concat();
        let said = stdout(&trust(host, &arguments));
        assert!(said.contains(&format!("note: the CA {old_pin} is replaced by {new_pin}")), "{said}");
        assert!(said.contains("ran update-ca-certificates"), "{said}");
        for path in paths.iter().chain([&store]) {
            assert!(said.contains(&format!("replaced /{path}")), "{said}");
            assert_eq!(host.text(path), new);
        }
        let again = stdout(&trust(host, &arguments));
        assert!(again.contains(&format!("unchanged /{store}")) && !again.contains("replaced /"), "{again}");
        stdout(&host.run(&["untrust", &registry]));
        std::fs::remove_file(host.0.path().join("called")).expect("there");
        assert_eq!(&host.tree(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_host_with_the_old_pin_gets_the_new_ca_and_another_ca_is_still_refused() {
    let (server, other) = (Server::start().await, Server::start().await);
    let (registry, old_pin) = (server.host(), pin_of(&server));
    let new = rotate(&server, &[]).await;
    let bare = ClientHost::new();
    stdout(&bare.trust(&registry, &old_pin, &[]));
    let path = format!("etc/docker/certs.d/{registry}/ca.crt");
    assert_eq!(bare.text(&path), new);

    let occupied = ClientHost::new().with(&path, other.ca());
    let before = occupied.tree();
    let text = refusal(&occupied.trust(&registry, &old_pin, &[]));
    assert!(text.contains(&pin_of(&other)) && text.contains("--replace"), "{text}");
    assert_eq!(occupied.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_statement_the_new_pin_is_needed() {
    let server = Server::start().await;
    let (registry, old_pin, host) = (server.host(), pin_of(&server), ClientHost::new());
    stdout(&host.trust(&registry, &old_pin, &[]));
    let before = host.tree();
    let new = rotate(&server, &["--at-once"]).await;
    for arguments in [&[registry.as_str()][..], &[&registry, "--ca-sha256", &old_pin]] {
        let text = refusal(&trust(&host, arguments));
        assert!(text.contains("REFUSED") && text.contains(&old_pin) && text.contains(&pin_of(&server)), "{text}");
        assert_eq!(host.tree(), before);
    }
    stdout(&host.trust(&registry, &pin_of(&server), &["--replace"]));
    assert_eq!(host.text(&format!("etc/docker/certs.d/{registry}/ca.crt")), new);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_and_then_removed_by_hand_counts_for_no_pin() {
    let server = Server::start().await;
    let (registry, host) = (server.host(), ClientHost::new());
    stdout(&host.trust(&registry, &pin_of(&server), &[]));
    rotate(&server, &[]).await;
    std::fs::remove_dir_all(host.0.path().join("etc")).expect("there");
    let before = host.tree();
    let text = refusal(&trust(&host, &[&registry]));
    assert!(text.contains("needs the pin"), "{text}");
    assert_eq!(host.tree(), before);
}

/// A server with this CA file and this statement, which proves itself by `by`.
async fn server_of(by: &Ca, above: &str, ca_file: &str, statement: &str) -> String {
    let (ca_file, statement) = (ok(ca_file), ok(statement));
    let answer = move |path: &str| match path {
        "/v2/" => REGISTRY.as_bytes().to_vec(),
        "/.well-known/portcullis/rotation.pem" => statement.clone(),
        _ => ca_file.clone(),
    };
    by.serve_paths("localhost", above, answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_server_is_followed_when_nothing_is_wrong() {
    let (old, new) = (Ca::new(|_| {}), Ca::new(|_| {}));
    let cross = old.vouches_for(&new, |_| {});
    let registry = server_of(&new, &cross, &new.pem(), &(old.pem() + &cross)).await;
    let host = ClientHost::new();
    stdout(&host.trust(&registry, &old.pin(), &[]));
    let written = host.text(&format!("etc/docker/certs.d/{registry}/ca.crt"));
    assert_eq!(written.replace('\n', ""), new.pem().replace('\n', ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_statements_are_refused() {
    let ca = || Ca::new(|_| {});
    let (old, new, attacker, third) = (ca(), ca(), ca(), ca());
    let elsewhere = |params: &mut rcgen::CertificateParams| {
        params.name_constraints = Some(constrained_to("other.test"));
    };
    let good = old.vouches_for(&new, |_| {});
    let of_another = attacker.vouches_for(&new, |_| {});
    let ended = old.vouches_for(&new, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let to_come = old.vouches_for(&new, |params| params.not_before = rcgen::date_time_ymd(2900, 1, 1));
    let for_another_key = old.vouches_for(&third, |_| {});
    let not_for_this_host = old.vouches_for(&new, elsewhere);
    let no_ca = old.vouches_for(&new, |params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
    // The server proves itself by the old CA, so that nothing but the statement is wrong.
    for (statement, ca_file, why) in [
        (&of_another, new.pem(), "it is not signed by the pinned CA"),
        (&ended, new.pem(), "its time is over"),
        (&to_come, new.pem(), "its time is over, or has not come"),
        (&for_another_key, new.pem(), "it is for another CA"),
        (&good, third.pem(), "it is for another CA"),
        (&not_for_this_host, new.pem(), "may not sign for `localhost`"),
        (&no_ca, new.pem(), "does not say CA:TRUE"),
        (&good, good.clone(), "is not signed by its own key"),
    ] {
        let registry = server_of(&old, "", &ca_file, &(old.pem() + statement)).await;
        super::hostile::refused(&registry, &old.pin(), why);
    }
    // A statement that does not begin with the pinned CA, or is none, leaves the pin wrong.
    let no_file = format!("{}{good}", third.pem());
    for statement in [no_file, good.clone(), String::new(), format!("{}{good}garbage", old.pem())] {
        let registry = server_of(&old, "", &new.pem(), &statement).await;
        super::hostile::refused(&registry, &old.pin(), "REFUSED: the CA at");
    }
    // A man in the middle has the statement, but not the old CA's signature on their own certificate.
    for (by, above) in [(&attacker, ""), (&new, of_another.as_str())] {
        let registry = server_of(by, above, &new.pem(), &(old.pem() + &good)).await;
        super::hostile::refused(&registry, &old.pin(), "REFUSED: with the pinned CA as the only root");
    }
    // The statement is good, but the server has nothing from the new CA.
    let registry = server_of(&old, "", &new.pem(), &(old.pem() + &good)).await;
    super::hostile::refused(&registry, &old.pin(), "REFUSED: with the pinned CA as the only root");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_ca_that_is_not_fit_is_not_followed() {
    let new = Ca::new(|_| {});
    let expired = Ca::new(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let elsewhere = Ca::new(|params| params.name_constraints = Some(constrained_to("other.test")));
    for (old, why) in [(expired, "expired on 2020-01-01"), (elsewhere, "may not sign for `localhost`")] {
        let cross = old.vouches_for(&new, |_| {});
        let registry = server_of(&new, &cross, &new.pem(), &(old.pem() + &cross)).await;
        super::hostile::refused(&registry, &old.pin(), why);
    }
}
