//! The registry's script: pinned by its hash, run by every shell that hosts have, and undone without a trace.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::pin_of;
use super::system_store::{debian, store_of};
use crate::support::Server;
use crate::support::client_host::{ClientHost, stdout};

/// What POSIX shells are called on the hosts of users. Those that this machine has are used, `sh` at least.
const SHELLS: [&[&str]; 4] = [&["sh"], &["dash"], &["bash", "--posix"], &["busybox", "ash"]];

fn shells() -> Vec<&'static [&'static str]> {
    let there = |shell: &&&[&str]| {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", ":"]).output().is_ok_and(|output| output.status.success())
    };
    SHELLS.iter().filter(there).copied().collect()
}

/// A client that believes anyone, as `curl -k` does.
fn anyone() -> reqwest::Client {
    reqwest::Client::builder().http1_only().tls_danger_accept_invalid_certs(true).build().expect("a client")
}

async fn get(server: &Server, host: &str, version: &str) -> (u16, String) {
    let url = format!("https://{}/.well-known/portcullis/trust/{version}", server.host());
    let answer = anyone().get(url).header("host", host).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

/// The script, for the name under which the server is called in tests.
async fn script_of(server: &Server) -> String {
    let (status, text) = get(server, &server.host(), "1").await;
    assert_eq!(status, 200, "{text}");
    text
}

/// Runs it on a host by this shell.
fn run_in(shell: &[&str], host: &ClientHost, script: &str, arguments: &[&str]) -> Output {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), script).expect("writable");
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(file.path()).arg("--root").arg(host.0.path()).args(arguments);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/home/the op");
    command.output().expect("the shell is there")
}

fn run(host: &ClientHost, script: &str, arguments: &[&str]) -> Output {
    run_in(&["sh"], host, script, arguments)
}

fn refused(output: &Output, why: &str) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("trust: ") && text.contains(why), "wanted {why:?}: {text}");
}

/// The digest as `sha256sum` prints it.
fn base16(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String grows");
        text
    })
}

fn is_certificate(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "crt")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_that_is_served_is_the_one_that_every_line_pins() {
    let server = Server::start().await;
    let (registry, script) = (server.host(), script_of(&server).await);
    let hash: String = base16(&Sha256::digest(&script));
    let told = server.run(&["ca", "trust-command", &registry, "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told["script_sha256"].as_str(), Some(hash.as_str()));
    let page = anyone().get(format!("https://{registry}/")).send().await.expect("an answer").text().await;
    let line = told["shell"].as_str().expect("a text");
    assert!(page.expect("text").contains(line));
    assert!(line.contains(&hash) && told["wget"].as_str().expect("a text").contains(&hash), "{told}");
    assert!(script.len() < 65_536, "the line reads no more");
    assert!(script.contains(server.ca().trim()) && script.contains(&pin_of(&server)));

    let (_, by_address) = get(&server, &format!("127.0.0.1:{}", server.port()), "1").await;
    assert!(by_address.contains("registry='127.0.0.1:"), "each name has its own script");
    for (host, version, why) in [
        ("other.test:5000", "1", "not for other.test"),
        (&*registry, "0", "unknown version"),
        (&*registry, "2", "unknown version"),
        (&*registry, "01", "unknown version"),
        (&*registry, "+1", "unknown version"),
        (&*registry, "", "unknown version"),
        (&*registry, "1/../ca.pem", "unknown version"),
    ] {
        let (status, text) = get(&server, host, version).await;
        assert!(status == 404 && (text.contains(why) || version.contains('/')), "{host} {version}: {status} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_short_line_runs_what_it_pins_and_nothing_else() {
    let (server, other) = (Server::start().await, Server::start().await);
    let line = String::from_utf8(server.run(&["ca", "trust-command", &server.host()]).stdout).expect("text");
    let wget = server.run(&["ca", "trust-command", &server.host(), "--json"]);
    let wget: Value = serde_json::from_slice(&wget.stdout).expect("JSON");
    let run = |line: &str, host: &ClientHost| {
        let folder = tempfile::tempdir().expect("a folder");
        // The directory that is used as the host's root is that of root here.
        let line = line.trim().replace("sudo sh t", &format!("sh t --root {}", host.0.path().display()));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin");
        tokio::task::block_in_place(|| command.env("HOME", folder.path()).output().expect("sh is there"))
    };
    for line in [&*line, wget["wget"].as_str().expect("a text")] {
        let host = ClientHost::new();
        stdout(&run(line, &host));
        assert_eq!(host.text(&format!("etc/docker/certs.d/{}/ca.crt", server.host())), server.ca());
        // Someone else answers at the address in the line.
        let elsewhere = line.replace(&server.host(), &other.host());
        let host = ClientHost::new();
        let output = run(&elsewhere, &host);
        assert!(!output.status.success() && host.tree().is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_trust_does_in_every_shell_and_undoes_it() {
    let server = Server::start().await;
    let (registry, pin, script) = (server.host(), pin_of(&server), script_of(&server).await);
    let new = || debian().with("etc/containerd/config.toml", "[a]\n  config_path = '/a:/b'\n");
    let by_program = new();
    stdout(&by_program.trust(&registry, &pin, &[]));
    let certificates = |host: &ClientHost| {
        let tree = host.tree();
        tree.into_iter().filter(|(path, _)| is_certificate(path)).collect::<Vec<_>>()
    };
    let mut expected = certificates(&by_program);
    expected.push((format!("a/{registry}/ca.crt"), server.ca().to_owned()));
    expected.sort();
    for shell in shells() {
        let host = new();
        let before = host.tree();
        let said = stdout(&run_in(shell, &host, &script, &[]));
        assert!(said.contains(&format!("wrote /etc/docker/certs.d/{registry}/ca.crt")), "{shell:?}: {said}");
        assert_eq!(certificates(&host), expected, "{shell:?}");
        assert!(said.contains("ran update-ca-certificates"), "{said}");
        assert_eq!(host.text("called"), "update-ca-certificates \n");
        let again = stdout(&run_in(shell, &host, &script, &[]));
        assert!(again.lines().all(|line| line.starts_with("unchanged ")), "{shell:?}: {again}");
        let undone = stdout(&run_in(shell, &host, &script, &["--undo"]));
        assert_eq!(undone.matches("removed ").count(), expected.len(), "{shell:?}: {undone}");
        assert!(host.text("called").ends_with("update-ca-certificates --fresh\n"), "{}", host.text("called"));
        fs::remove_file(host.0.path().join("called")).expect("there");
        assert_eq!(host.tree(), before, "{shell:?}");
        let nothing = stdout(&run_in(shell, &host, &script, &["--undo"]));
        assert!(nothing.starts_with("nothing of "), "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_of_systems_is_known_to_it() {
    let server = Server::start().await;
    let script = script_of(&server).await;
    let name = format!("portcullis-localhost+{}.crt", server.port());
    for (os_release, directory, command) in [
        ("ID=debian\n", "usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates"),
        ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "usr/local/share/ca-certificates", "sbin/update-ca-certificates"),
        ("ID=alpine\n", "usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates"),
        ("ID=\"rocky\"\nID_LIKE=\"rhel fedora\"\n", "etc/pki/ca-trust/source/anchors", "usr/bin/update-ca-trust"),
        ("ID=\"opensuse-leap\"\nID_LIKE=suse\n", "etc/pki/trust/anchors", "usr/sbin/update-ca-certificates"),
        ("ID=arch\n", "etc/ca-certificates/trust-source/anchors", "usr/bin/update-ca-trust"),
    ] {
        let host = ClientHost::new().with_command(command, 0).with("etc/os-release", os_release);
        stdout(&run(&host, &script, &[]));
        assert_eq!(host.text(&format!("{directory}/{name}")), server.ca(), "{os_release}");
        assert_eq!(host.text("called"), format!("{} \n", Path::new(command).file_name().unwrap().display()));
        stdout(&run(&host, &script, &["--undo"]));
        assert!(!host.tree().contains_key(&format!("{directory}/{name}")), "{os_release}");
    }
    let unknown = ClientHost::new().with("etc/os-release", "ID=plan9\n");
    let said = stdout(&run(&unknown, &script, &[]));
    assert!(said.contains("wrote /etc/docker") && said.contains("note: the CA stays out of"), "{said}");
    refused(&run(&ClientHost::new(), &script, &["--system"]), "Nothing was written");
    let left_out = debian();
    stdout(&run(&left_out, &script, &["--no-system"]));
    assert!(!left_out.tree().contains_key(&store_of(&server.host())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_for_any_name_stays_out_of_the_store_unless_asked() {
    let mut server = Server::absent("");
    server.run_with_input(
        &["init", "--host", "localhost", "--unconstrained", "--admin-password-stdin"],
        "a password of it",
    );
    server.spawn().await;
    let (registry, script, host) = (server.host(), script_of(&server).await, debian());
    let said = stdout(&run(&host, &script, &[]));
    assert!(said.contains("can sign for any name") && said.contains("--system adds it"), "{said}");
    assert!(!host.tree().contains_key(&store_of(&registry)));
    stdout(&run(&host, &script, &["--system"]));
    assert_eq!(host.text(&store_of(&registry)), server.ca());
    let told = server.run(&["ca", "trust-command", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told["constrained"], false);
    assert!(!told["self_contained"].as_str().expect("a text").contains("update-ca-certificates"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_neither_replaced_nor_removed() {
    let (server, other) = (Server::start().await, Server::start().await);
    let (registry, script) = (server.host(), script_of(&server).await);
    let (docker, containers) =
        (format!("etc/docker/certs.d/{registry}/ca.crt"), format!("etc/containers/certs.d/{registry}/ca.crt"));
    let host = ClientHost::new().with(&containers, other.ca());
    let before = host.tree();
    refused(&run(&host, &script, &[]), "holds another CA: --replace");
    assert_eq!(host.tree(), before, "nothing was written");
    stdout(&run(&host, &script, &["--replace"]));
    assert_eq!(host.text(&containers), server.ca());

    fs::write(host.0.path().join(&docker), "changed").expect("writable");
    let output = run(&host, &script, &["--undo"]);
    refused(&output, "remove by hand");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("left /{docker}")));
    assert_eq!(host.text(&docker), "changed");
    fs::remove_file(host.0.path().join(&docker)).expect("there");
    stdout(&run(&host, &script, &["--undo"]));
    assert!(!host.tree().keys().any(|path| is_certificate(path) || path.contains("portcullis")), "{:?}", host.tree());

    // What was there before with the same content was not written by it.
    let host = ClientHost::new().with(&containers, server.ca());
    let before = host.tree();
    stdout(&run(&host, &script, &[]));
    stdout(&run(&host, &script, &["--undo"]));
    assert_eq!(host.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_root_gets_the_rootless_tools_alone() {
    let server = Server::start().await;
    let (registry, script, host) = (server.host(), script_of(&server).await, debian());
    let before = host.tree();
    stdout(&run(&host, &script, &["--user"]));
    for tool in ["docker", "containers"] {
        assert_eq!(host.text(&format!("home/the op/.config/{tool}/certs.d/{registry}/ca.crt")), server.ca());
    }
    assert!(!host.tree().keys().any(|path| path.contains("etc/docker") || path == "called"), "{:?}", host.tree());
    stdout(&run(&host, &script, &["--user", "--undo"]));
    assert_eq!(host.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_the_new_script_replaces_what_the_old_one_wrote() {
    let server = Server::start().await;
    let (registry, old, host) = (server.host(), script_of(&server).await, debian());
    let before = host.tree();
    stdout(&run(&host, &old, &[]));
    let new_ca = super::rotation::rotate(&server, &[]).await;
    let new = script_of(&server).await;
    stdout(&run(&host, &new, &[]));
    assert_eq!(host.text(&format!("etc/docker/certs.d/{registry}/ca.crt")), new_ca);
    assert_eq!(host.text(&store_of(&registry)), new_ca);
    // Either of them removes it.
    stdout(&run(&host, &old, &["--undo"]));
    fs::remove_file(host.0.path().join("called")).expect("there");
    assert_eq!(host.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registries_share_directories_and_the_last_removes_them() {
    let (first, second) = (Server::start().await, Server::start().await);
    let (one, two, host) = (script_of(&first).await, script_of(&second).await, ClientHost::new());
    stdout(&run(&host, &one, &[]));
    stdout(&run(&host, &two, &[]));
    stdout(&run(&host, &one, &["--undo"]));
    assert_eq!(host.text(&format!("etc/docker/certs.d/{}/ca.crt", second.host())), second.ca());
    stdout(&run(&host, &two, &["--undo"]));
    assert!(host.tree().is_empty(), "{:?}", host.tree());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_is_said_and_can_be_undone() {
    let server = Server::start().await;
    let script = script_of(&server).await;
    let failing =
        ClientHost::new().with_command("usr/sbin/update-ca-certificates", 3).with("etc/os-release", "ID=debian\n");
    let output = run(&failing, &script, &[]);
    refused(&output, "update-ca-certificates failed");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--undo"));
    let usage = run(&failing, &script, &["--sytem"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_takes_over_what_the_script_wrote() {
    let server = Server::start().await;
    let (registry, script) = (server.host(), script_of(&server).await);
    let by_script = debian();
    let before = by_script.tree();
    stdout(&run(&by_script, &script, &[]));
    let removed = stdout(&by_script.run(&["untrust", &registry]));
    assert_eq!(removed.matches("removed ").count(), 3, "{removed}");
    fs::remove_file(by_script.0.path().join("called")).expect("there");
    assert_eq!(by_script.tree(), before);

    let moved = debian();
    let before = moved.tree();
    stdout(&run(&moved, &script, &[]));
    let new = super::rotation::rotate(&server, &[]).await;
    let said = stdout(&tokio::task::block_in_place(|| moved.run(&["trust", &registry])));
    assert!(said.contains("is replaced by"), "no pin is needed: {said}");
    assert_eq!(moved.text(&store_of(&registry)), new);
    let nothing = stdout(&run(&moved, &script, &["--undo"]));
    assert!(nothing.contains(&format!("portcullis untrust {registry}")), "{nothing}");
    stdout(&moved.run(&["untrust", &registry]));
    fs::remove_file(moved.0.path().join("called")).expect("there");
    assert_eq!(moved.tree(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_ends_with_the_same_line() {
    let server = Server::absent("");
    let arguments = ["init", "--host", "registry.test", "--admin-password-stdin"];
    let said = server.run_with_input(&arguments, "the administrator's password");
    let said = String::from_utf8(said.stdout).expect("text");
    let line = String::from_utf8(server.run(&["ca", "trust-command"]).stdout).expect("text");
    assert!(line.starts_with("curl -qfsSk https://registry.test:5000/.well-known/portcullis/trust/1 | "), "{line}");
    assert!(said.contains(&format!("  other hosts   {line}")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_self_contained_line_writes_the_pinned_ca_and_no_other() {
    use std::os::unix::fs::PermissionsExt;
    let (server, other) = (Server::start().await, Server::start().await);
    let line = server.run(&["ca", "trust-command", &server.host(), "--self-contained"]);
    let line = String::from_utf8(line.stdout).expect("text");
    let run = |line: &str, home: &Path| {
        // Root's line would write into this machine: here everyone is an ordinary user.
        let id = home.join("id");
        fs::write(&id, "#!/bin/sh\necho 1000\n").expect("writable");
        fs::set_permissions(&id, fs::Permissions::from_mode(0o755)).expect("ours");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).env_clear().env("PATH", format!("{}:/usr/bin:/bin", home.display()));
        tokio::task::block_in_place(|| command.env("HOME", home).output().expect("sh is there"))
    };
    let home = tempfile::tempdir().expect("a folder");
    stdout(&run(&line, home.path()));
    for tool in ["docker", "containers"] {
        let path = home.path().join(format!(".config/{tool}/certs.d/{}/ca.crt", server.host()));
        assert_eq!(fs::read_to_string(path).expect("written"), server.ca());
    }
    let home = tempfile::tempdir().expect("a folder");
    let output = run(&line.replace(&server.host(), &other.host()), home.path());
    assert!(String::from_utf8_lossy(&output.stderr).contains("REFUSED"), "{output:?}");
    assert!(!home.path().join(".config").exists());
}
