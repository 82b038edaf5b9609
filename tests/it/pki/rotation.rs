//! The CA is changed, and put away, while the registry serves: stories against the program itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Server, eventually, require_programs};
use reqwest::{Certificate, Client, ClientBuilder, StatusCode};
use serde_json::Value;

const PASSPHRASE: &str = "correct horse battery staple";

/// A client that trusts this CA alone and opens a new connection for each request.
fn trusting(ca: &str, server: &Server) -> Client {
    let ca = Certificate::from_pem(ca.as_bytes()).expect("the CA is PEM");
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
    let client: ClientBuilder = Client::builder().tls_certs_only([ca]).pool_max_idle_per_host(0);
    client.resolve("new.test", here).build().expect("a client")
}

async fn reaches(client: &Client, server: &Server, host: &str) -> bool {
    let answer = client.get(format!("https://{host}:{}/health/live", server.port())).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

/// What curl and openssl say.
fn tools_reach(ca: &str, server: &Server) -> Vec<(&'static str, bool)> {
    if !require_programs(&["curl", "openssl"], "curl openssl") {
        return Vec::new();
    }
    let file = server.home().join("trusted.pem");
    std::fs::write(&file, ca).expect("writable");
    let (host, url) = (server.host(), format!("https://{}/health/live", server.host()));
    vec![
        ("curl", succeeds(Command::new("curl").args(["-fsS", "-o", "/dev/null", "--cacert"]).arg(&file).arg(url))),
        (
            "openssl",
            succeeds(
                Command::new("openssl")
                    .args([
                        "s_client",
                        "-verify_return_error",
                        "-verify_hostname",
                        "localhost",
                        "-servername",
                        "localhost",
                    ])
                    .args(["-no-CApath", "-no-CAstore", "-connect", &host, "-CAfile"])
                    .arg(&file),
            ),
        ),
    ]
}

fn succeeds(command: &mut Command) -> bool {
    let run = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.expect("the program runs").success()
}

async fn everyone(ca: &str, server: &Server, wanted: bool) {
    assert_eq!(reaches(&trusting(ca, server), server, "localhost").await, wanted, "rustls by name");
    assert_eq!(reaches(&trusting(ca, server), server, "127.0.0.1").await, wanted, "rustls by address");
    for (tool, reached) in tokio::task::block_in_place(|| tools_reach(ca, server)) {
        assert_eq!(reached, wanted, "{tool}");
    }
}

fn ca_of(server: &Server) -> String {
    String::from_utf8(server.run(&["ca", "export"]).stdout).expect("PEM is text")
}

fn shown(server: &Server) -> Value {
    serde_json::from_slice(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON")
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until the server shows the certificate of its new CA.
async fn taken_up(new: &str, server: &Server) {
    let client = trusting(new, server);
    eventually("the new CA at work", async || reaches(&client, server, "localhost").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_both_cas_are_served_until_the_announced_date() {
    let server = Server::start().await;
    let (old, before) = (server.ca().to_owned(), shown(&server));
    everyone(&old, &server, true).await;
    let rotation = format!("https://{}/.well-known/portcullis/rotation.pem", server.host());
    let none = trusting(&old, &server).get(&rotation).send().await.expect("an answer");
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    assert!(none.text().await.expect("text").contains("no CA transition"));

    let said = server.run(&["ca", "rotate", "--overlap", "1h"]);
    let (said, new) = (String::from_utf8(said.stdout).expect("text"), ca_of(&server));
    assert!(said.contains("are served until") && said.contains("destroyed"), "{said}");
    taken_up(&new, &server).await;
    everyone(&old, &server, true).await;
    everyone(&new, &server, true).await;
    let after = shown(&server);
    assert_eq!(after["rotation"]["previous_sha256"], before["sha256"]);
    assert_ne!(after["sha256"], before["sha256"]);
    let line = server.run(&["ca", "trust-command", "--json"]);
    let line: Value = serde_json::from_slice(&line.stdout).expect("JSON");
    assert_eq!(line["sha256"], after["sha256"]);
    let client = trusting(&new, &server);
    let fetch = async || client.get(&rotation).send().await.expect("an answer");
    let published = async || fetch().await.status() == StatusCode::OK;
    eventually("the statement is published", published).await;
    let statement = fetch().await.text().await.expect("text");
    assert_eq!(statement.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(statement.starts_with(&old), "the old CA comes first");
    let again = refusal(&server.try_run(&["ca", "rotate"], ""));
    assert!(again.contains("are served until") && again.contains("--at-once"), "{again}");
    everyone(&old, &server, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_trust_the_old_ca_alone_are_served_no_longer_than_announced() {
    let server = Server::start().await;
    let old = server.ca().to_owned();
    let rotation = format!("https://{}/.well-known/portcullis/rotation.pem", server.host());
    server.run(&["ca", "rotate", "--overlap", "1s"]);
    let new = ca_of(&server);
    taken_up(&new, &server).await;
    // A new client each time: one that has been here resumes its session, and asks for no certificate.
    let over = async || !reaches(&trusting(&old, &server), &server, "localhost").await;
    eventually("the overlap ends", over).await;
    everyone(&old, &server, false).await;
    everyone(&new, &server, true).await;
    let gone = trusting(&new, &server).get(&rotation).send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(shown(&server)["rotation"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_while_clients_come_and_go_fail_no_request() {
    let server = Arc::new(Server::start().await);
    let (old, done, visits) = (server.ca().to_owned(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let (server, old) = (Arc::clone(&server), old.clone());
            let (done, visits) = (Arc::clone(&done), Arc::clone(&visits));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    // A new client each time: one that has been here resumes its session, and asks for no certificate.
                    assert!(reaches(&trusting(&old, &server), &server, "localhost").await, "a host of the old CA");
                    visits.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let rotated = Arc::clone(&server);
    let new = tokio::task::spawn_blocking(move || {
        rotated.run(&["ca", "rotate"]);
        ca_of(&rotated)
    });
    let new = new.await.expect("it rotates");
    taken_up(&new, &server).await;
    let seen = visits.load(Ordering::Relaxed);
    // Renewals under the new CA, and hosts that trust it.
    for _ in 0..3 {
        server.run(&["cert", "renew"]);
        assert!(reaches(&trusting(&new, &server), &server, "localhost").await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    done.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("no request failed");
    }
    assert!(seen > 0 && visits.load(Ordering::Relaxed) > seen, "there were visits before and after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_served_at_once_to_hosts_of_the_new_ca_and_the_old_names_to_all() {
    let mut server = Server::start().await;
    let old = server.ca().to_owned();
    let said = server.run(&["ca", "rotate", "--host", "new.test", "--host", "10.9.8.7"]);
    let said = String::from_utf8(said.stdout).expect("text");
    assert!(said.contains("10.9.8.7 can be reached by address only after that"), "{said}");
    let new = ca_of(&server);
    taken_up(&new, &server).await;
    for restarted in [false, true] {
        if restarted {
            server.stop().await;
            server.spawn().await;
        }
        everyone(&old, &server, true).await;
        everyone(&new, &server, true).await;
        assert!(reaches(&trusting(&new, &server), &server, "new.test").await, "restarted: {restarted}");
        assert!(!reaches(&trusting(&old, &server), &server, "new.test").await, "the old CA does not permit it");
    }
    let permitted = shown(&server)["permitted"].to_string();
    assert!(permitted.contains("new.test") && permitted.contains("10.9.8.7") && permitted.contains("localhost"));
    let certificate = server.run(&["cert", "show", "--json"]);
    assert!(String::from_utf8_lossy(&certificate.stdout).contains("new.test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_once_the_old_ca_counts_no_longer() {
    let server = Server::start().await;
    let old = server.ca().to_owned();
    let said = String::from_utf8(server.run(&["ca", "rotate", "--at-once"]).stdout).expect("text");
    assert!(said.contains("hosts must re-run trust with the new pin"), "{said}");
    let new = ca_of(&server);
    taken_up(&new, &server).await;
    everyone(&old, &server, false).await;
    everyone(&new, &server, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_root_lets_renewals_continue_and_signs_nothing_until_unsealed() {
    let server = Server::start().await;
    let ca = server.ca().to_owned();
    let short = refusal(&server.try_run(&["ca", "seal", "--passphrase-stdin"], "short"));
    assert!(short.contains("at least 10 characters"), "{short}");
    let unasked = refusal(&server.try_run(&["ca", "seal"], ""));
    assert!(unasked.contains("--passphrase-stdin"), "{unasked}");
    server.run_with_input(&["ca", "seal", "--passphrase-stdin"], PASSPHRASE);
    assert_eq!(shown(&server)["root_key"], "sealed");
    let text = String::from_utf8(server.run(&["ca", "show"]).stdout).expect("text");
    assert!(text.contains("sealed: `portcullis ca unseal` unseals it"), "{text}");
    let sealed = std::fs::read_to_string(server.data().join("ca/root.key.sealed")).expect("there");
    assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    assert!(!server.data().join("ca/root.key").exists());

    server.run(&["cert", "renew"]);
    everyone(&ca, &server, true).await;
    let refused = refusal(&server.try_run(&["ca", "rotate"], ""));
    assert!(refused.contains("run `portcullis ca unseal` first"), "{refused}");
    let wrong = refusal(&server.try_run(&["ca", "unseal", "--passphrase-stdin"], "wrong horse battery staple"));
    assert!(wrong.contains("does not open") && wrong.contains("nothing changed"), "{wrong}");
    server.run_with_input(&["ca", "unseal", "--passphrase-stdin"], PASSPHRASE);
    assert_eq!(shown(&server)["root_key"], "here");
    let again = server.run(&["ca", "unseal"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("already in the data directory"));

    let file = server.home().join("usb.key");
    let path = file.to_str().expect("text");
    server.run(&["ca", "seal", "--move-to", path]);
    assert_eq!(shown(&server)["root_key"], "elsewhere");
    assert!(refusal(&server.try_run(&["ca", "unseal"], "")).contains("--from FILE"));
    server.run(&["ca", "unseal", "--from", path]);
    server.run(&["ca", "rotate"]);
    taken_up(&ca_of(&server), &server).await;
    everyone(&ca, &server, true).await;
}

/// What a killed command has left: a whole authority, the old one or the new one, and no key of another.
fn is_whole(server: &Server, data: &Path) -> String {
    let pin = shown(server)["sha256"].as_str().expect("text").to_owned();
    let (certificate, key) = (data.join("ca/root.pem"), data.join("ca/root.key"));
    assert!(certificate.exists() && key.exists());
    pin
}

/// How long to wait before the next kill: longer as long as kills come too early, shorter when one came too late, so that they come
/// close before and close after the change however fast the machine is at the moment.
struct Delay {
    next: Duration,
    early: u32,
    late: u32,
}

impl Delay {
    const MOST_KILLS: u32 = 400;

    fn new() -> Self {
        Self { next: Duration::ZERO, early: 0, late: 0 }
    }

    fn saw(&mut self, changed: bool) {
        let step = (self.next / 10).max(Duration::from_millis(1));
        if changed {
            (self.late, self.next) = (self.late + 1, self.next.saturating_sub(step * 3));
        } else {
            (self.early, self.next) = (self.early + 1, self.next + step);
        }
    }

    /// Whether both outcomes have been seen so many times.
    fn is_enough(&self, times: u32) -> bool {
        assert!(
            self.early + self.late < Self::MOST_KILLS,
            "{} kills came too early, {} too late",
            self.early,
            self.late
        );
        self.early >= times && self.late >= times
    }
}

/// Kills the command after the delay; it may have ended already.
async fn killed(server: &Server, arguments: &[&str], delay: &Delay) {
    let mut command = server.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    tokio::time::sleep(delay.next).await;
    let _ = child.kill();
    child.wait().expect("a child of ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_leaves_the_old_authority_or_the_new_one() {
    let mut server = Server::absent("");
    server.initialise();
    let (mut pin, mut delay) = (is_whole(&server, server.data()), Delay::new());
    while !delay.is_enough(20) {
        killed(&server, &["ca", "rotate", "--at-once"], &delay).await;
        let now = is_whole(&server, server.data());
        delay.saw(now != pin);
        pin = now;
    }
    rotations_that_are_killed(&server).await;
    server.spawn().await;
    everyone(&ca_of(&server), &server, true).await;
    let left = std::fs::read_dir(server.data()).expect("readable").filter_map(Result::ok);
    let left: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.starts_with(".ca.")), "what was left is destroyed: {left:?}");
}

/// With the new authority the statement for it is there, or the old one is in force: never the one without the other.
async fn rotations_that_are_killed(server: &Server) {
    let (mut pin, mut delay) = (is_whole(server, server.data()), Delay::new());
    while !delay.is_enough(6) {
        killed(server, &["ca", "rotate", "--overlap", "1h"], &delay).await;
        let now = is_whole(server, server.data());
        let rotation = shown(server)["rotation"].clone();
        delay.saw(now != pin);
        if now == pin {
            assert_eq!(rotation, Value::Null);
        } else {
            assert_eq!(rotation["previous_sha256"], pin.as_str());
            // Only one rotation runs at a time.
            server.run(&["ca", "rotate", "--at-once"]);
        }
        pin = is_whole(server, server.data());
    }
}

#[tokio::test]
async fn an_overlap_of_nothing_or_of_ages_is_a_wrong_usage() {
    let mut server = Server::absent("");
    server.initialise();
    let before = server.run(&["ca", "show", "--json"]).stdout;
    for (overlap, said) in [("0s", "--at-once"), ("5000000d", "730d at most"), ("soon", "such as")] {
        let refused = server.try_run(&["ca", "rotate", "--overlap", overlap], "");
        assert_eq!(refused.status.code(), Some(2), "{overlap}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{overlap}: {refused:?}");
    }
    assert_eq!(server.run(&["ca", "show", "--json"]).stdout, before, "nothing changed");
}
