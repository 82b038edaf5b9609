//! The operating system's store: a CA that is bound to the registry's names goes in by itself, any other only when asked.

use std::fs;

use serde_json::Value;

use super::pin_of;
use crate::support::Server;
use crate::support::client_host::{ClientHost, refusal, stdout};
use crate::support::hostile_server::{Ca, REGISTRY, constrained_to, ok};

/// A Debian with its package ca-certificates.
pub(crate) fn debian() -> ClientHost {
    ClientHost::new().with_command("usr/sbin/update-ca-certificates", 0).with("etc/os-release", "ID=debian\n")
}

pub(crate) fn store_of(registry: &str) -> String {
    format!("usr/local/share/ca-certificates/portcullis-{}.crt", registry.replace(':', "+"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_does_not_stop_the_rest() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let unknown = ClientHost::new().with("etc/os-release", "ID=plan9\n");
    let bare = ClientHost::new().with("etc/os-release", "ID=fedora\n");
    for (host, why) in
        [(unknown, "(plan9): add the CA by"), (bare, "install the package ca-certificates and run this again")]
    {
        let said = stdout(&host.trust(&registry, &pin, &[]));
        assert!(said.contains("wrote /etc/docker") && said.contains("note: the CA is not in the operating"), "{said}");
        assert!(said.contains(why) && !said.contains("--system"), "{said}");
    }
    let failing =
        ClientHost::new().with_command("usr/sbin/update-ca-certificates", 3).with("etc/os-release", "ID=debian\n");
    let text = refusal(&failing.trust(&registry, &pin, &[]));
    assert!(text.contains("exit status: 3") && text.contains("--no-system"), "{text}");
    stdout(&failing.trust(&registry, &pin, &["--no-system"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_system_leaves_the_store_out_and_takes_the_ca_out_of_it() {
    let server = Server::start().await;
    let (registry, pin, host) = (server.host(), pin_of(&server), debian());
    let before = host.tree();
    let said = stdout(&host.trust(&registry, &pin, &["--no-system"]));
    assert!(!said.contains("store") && !host.tree().contains_key(&store_of(&registry)), "{said}");

    stdout(&host.trust(&registry, &pin, &[]));
    assert_eq!(host.text(&store_of(&registry)), server.ca());
    let dry = stdout(&host.trust(&registry, &pin, &["--no-system", "--dry-run"]));
    assert!(dry.contains(&format!("would remove /{}", store_of(&registry))), "{dry}");
    let said = stdout(&host.trust(&registry, &pin, &["--no-system", "--json"]));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let gone = said["files"].as_array().expect("a list").iter().find(|file| file["os_store"] == true);
    assert_eq!(gone.expect("told")["state"], "removed", "{said}");
    assert_eq!((&said["ca_constrained"], &said["store_command"]), (&true.into(), &"update-ca-certificates".into()));
    assert!(!host.tree().contains_key(&store_of(&registry)));
    assert!(host.text("called").ends_with("update-ca-certificates --fresh\n"), "{}", host.text("called"));
    assert_eq!(host.text(&format!("etc/docker/certs.d/{registry}/ca.crt")), server.ca(), "the rest stays");

    stdout(&host.run(&["untrust", &registry]));
    fs::remove_file(host.0.path().join("called")).expect("there");
    assert_eq!(host.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_can_sign_for_more_stays_out_of_the_store_unless_asked() {
    let unconstrained = || Ca::new(|params| params.name_constraints = None);
    // Host names alone are bound: it can sign for any address.
    let half = Ca::new(|params| params.name_constraints = Some(constrained_to("localhost")));
    for ca in [unconstrained(), half] {
        let registry = ca.serve("localhost", ok(&ca.pem()), REGISTRY).await;
        let host = debian();
        let said = stdout(&host.trust(&registry, &ca.pin(), &[]));
        assert!(said.contains("note: this CA can sign for any name") && said.contains("--system adds it"), "{said}");
        assert!(!host.tree().contains_key(&store_of(&registry)));
        let said = stdout(&host.trust(&registry, &ca.pin(), &["--system"]));
        assert!(said.contains("believes it for any name") && said.contains("ran update-ca-certificates"), "{said}");
        // Once chosen, it is kept.
        let said = stdout(&host.trust(&registry, &ca.pin(), &[]));
        assert!(said.contains(&format!("unchanged /{}", store_of(&registry))), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_can_sign_for_any_name_does_not_get_into_the_store_by_itself() {
    let server = Server::start().await;
    let (registry, old_pin, host) = (server.host(), pin_of(&server), debian());
    stdout(&host.trust(&registry, &old_pin, &[]));
    assert!(host.tree().contains_key(&store_of(&registry)));
    super::rotation::rotate(&server, &["--unconstrained"]).await;
    let again = tokio::task::block_in_place(|| host.run(&["trust", &registry]));
    let said = stdout(&again);
    assert!(said.contains(&format!("removed /{}", store_of(&registry))), "{said}");
    assert!(said.contains("note: this CA can sign for any name"), "{said}");
    assert!(!host.tree().contains_key(&store_of(&registry)));
}
