//! `trust` and `untrust` that are killed, come at the same time, or find what someone else has prepared for them.

use std::fs;
use std::os::unix::fs::chown;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::pin_of;
use crate::support::Server;
use crate::support::client_host::{ClientHost, refusal, stdout};

fn command(host: &ClientHost, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.env_clear().env("HOME", "/home/op").args(arguments).arg("--root").arg(host.0.path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(host: &ClientHost, arguments: &[&str]) -> Output {
    tokio::task::block_in_place(|| host.run(arguments))
}

/// As every system is: with `/var/lib`.
fn a_system() -> ClientHost {
    ClientHost::new().with("var/lib/others", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_trust_has_left_is_finished_by_the_next_and_removed_by_untrust() {
    let server = Server::start().await;
    let (registry, pin, untouched) = (server.host(), pin_of(&server), a_system().tree());
    for step in 0..40 {
        let host = a_system();
        let mut child = command(&host, &["trust", &registry, "--ca-sha256", &pin]).spawn().expect("it starts");
        let directory = host.0.path().join("var/lib/portcullis-trust");
        while !directory.exists() && child.try_wait().expect("ours").is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(300) * step).await;
        // It may have ended already.
        let _ = child.kill();
        child.wait().expect("ours");
        if step % 2 == 1 {
            stdout(&host.trust(&registry, &pin, &[]));
        }
        stdout(&run(&host, &["untrust", &registry]));
        assert_eq!(host.tree(), untouched);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_written_files_go_too() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let name = registry.replace(':', "+");
    for trusted in [false, true] {
        let host = a_system();
        if trusted {
            stdout(&host.trust(&registry, &pin, &[]));
        }
        let mut host = host
            .with(&format!("var/lib/portcullis-trust/.{name}.json.0123456789abcdef.tmp"), "{")
            .with("var/lib/portcullis-trust/.lock", "");
        if trusted {
            host = host.with(&format!("etc/docker/certs.d/{registry}/.ca.crt.0123456789abcdef.tmp"), "-----BEG");
        }
        stdout(&run(&host, &["untrust", &registry]));
        assert_eq!(host.tree(), a_system().tree());
    }
}

/// The manifest is written first: here the command was killed before any of the files was.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_a_new_ca_that_was_killed_is_made_again_or_undone() {
    let server = Server::start().await;
    let (registry, old_pin, old) = (server.host(), pin_of(&server), server.ca().to_owned());
    let paths = ["docker", "containers"].map(|tool| format!("etc/{tool}/certs.d/{registry}/ca.crt"));
    let hosts = [a_system(), a_system()];
    for host in &hosts {
        stdout(&host.trust(&registry, &old_pin, &[]));
    }
    super::rotation::rotate(&server, &[]).await;
    for host in &hosts {
        stdout(&run(host, &["trust", &registry]));
        for path in &paths {
            assert_ne!(host.text(path), old);
            fs::write(host.0.path().join(path), &old).expect("writable");
        }
    }
    let said = stdout(&run(&hosts[0], &["trust", &registry]));
    assert!(said.contains(&format!("replaced /{}", paths[0])), "{said}");
    for host in &hosts {
        stdout(&run(host, &["untrust", &registry]));
        assert_eq!(host.tree(), a_system().tree());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_leave_what_one_leaves() {
    let (first, second) = (Server::start().await, Server::start().await);
    for _ in 0..5 {
        let host = a_system();
        let pins = [pin_of(&first), pin_of(&second)];
        let children: Vec<_> = (0..10)
            .map(|n| {
                let server = [&first, &second][n % 2];
                let arguments = ["trust", &server.host(), "--ca-sha256", &pins[n % 2]];
                command(&host, &arguments).spawn().expect("it starts")
            })
            .collect();
        for child in children {
            stdout(&tokio::task::block_in_place(|| child.wait_with_output()).expect("ours"));
        }
        for server in [&first, &second] {
            let path = format!("etc/docker/certs.d/{}/ca.crt", server.host());
            assert_eq!(host.text(&path), server.ca());
        }
        let children = [&first, &second].map(|server| command(&host, &["untrust", &server.host()]).spawn());
        for child in children {
            stdout(&tokio::task::block_in_place(|| child.expect("it starts").wait_with_output()).expect("ours"));
        }
        assert_eq!(host.tree(), a_system().tree());
    }
}

/// `sudo portcullis untrust` with the user's HOME: what the user wrote there must not tell root what to remove.
#[tokio::test(flavor = "multi_thread")]
async fn root_does_not_act_on_what_is_in_the_home_of_another() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let name = registry.replace(':', "+");
    let manifest = format!("home/op/.local/state/portcullis-trust/{name}.json");
    // The SHA-256 of "hello".
    let text = format!(
        r#"{{"registry":"{registry}","ca_sha256":"","directories":[],"files":[{{"path":"/etc/precious","os_store":false,
            "sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}]}}"#
    );
    let host = a_system().with("etc/precious", "hello").with(&manifest, &text);
    if chown(host.0.path().join("home/op"), Some(65534), Some(65534)).is_err() {
        return; // Only root can tell.
    }
    let before = host.tree();
    stdout(&run(&host, &["untrust", &registry]));
    for arguments in [&["untrust", &registry, "--user"][..], &["trust", &registry, "--user", "--ca-sha256", &pin]] {
        let text = refusal(&run(&host, arguments));
        assert!(text.contains("/home/op belongs to another user") && text.contains("without sudo"), "{text}");
    }
    assert_eq!(host.tree(), before);
}
