//! Trust on a client's host: what is written into a substitute root directory, what is refused, and that nothing stays.

mod hostile;
mod interrupted;
mod rotation;
mod script;
mod system_store;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::Server;
use crate::support::client_host::{ClientHost, refusal, stdout};
use crate::support::hostile_server::{Ca, REGISTRY};
use serde_json::Value;

fn pin_of(server: &Server) -> String {
    let shown: Value = serde_json::from_slice(&server.run(&["ca", "show", "--json"]).stdout).expect("JSON");
    shown["sha256"].as_str().expect("a text").to_owned()
}

/// The same bytes, another spelling: `3F:9A:...`.
fn with_colons(pin: &str) -> String {
    let pairs: Vec<_> = pin.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
    pairs.join(":")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_trusts_and_another_leaves_nothing() {
    let server = Server::start().await;
    let (registry, pin, host) = (server.host(), pin_of(&server), ClientHost::new());

    let dry = stdout(&host.trust(&registry, &pin, &["--dry-run"]));
    assert!(dry.contains(&format!("would write /etc/docker/certs.d/{registry}/ca.crt")), "{dry}");
    assert!(host.tree().is_empty(), "a dry run writes nothing");

    let said = stdout(&host.trust(&registry, &with_colons(&pin), &[]));
    for tool in ["docker", "containers"] {
        let path = format!("etc/{tool}/certs.d/{registry}/ca.crt");
        assert!(said.contains(&format!("wrote /{path}")), "{said}");
        assert_eq!(host.text(&path), server.ca());
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let real = host.0.path().join(path);
        assert_eq!((mode(&real), mode(real.parent().expect("a directory"))), (0o644, 0o755));
    }
    let before = host.tree();
    let again = stdout(&host.trust(&registry, &pin, &[]));
    let told = "note: the CA is not in the operating system's store: /etc/os-release names no system";
    assert!(again.lines().all(|line| line.starts_with("unchanged ") || line.starts_with(told)), "{again}");
    assert_eq!(host.tree(), before);

    let dry = stdout(&host.run(&["untrust", &registry, "--dry-run"]));
    assert!(dry.contains("would remove /etc/docker"), "{dry}");
    assert_eq!(host.tree(), before);
    let removed = stdout(&host.run(&["untrust", &registry]));
    assert_eq!(removed.lines().filter(|line| line.starts_with("removed ")).count(), 2, "{removed}");
    assert!(host.tree().is_empty(), "{:?}", host.tree());
    let nothing = stdout(&host.run(&["untrust", &registry]));
    assert!(nothing.starts_with("nothing"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_names_every_file_and_stanzas_are_printed_on_request() {
    let server = Server::start().await;
    let (registry, pin, host) = (server.host(), pin_of(&server), ClientHost::new());
    let output = host.trust(&registry, &pin, &["--json", "--print", "buildkit", "--print", "k3s"]);
    let said: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let path = format!("/etc/docker/certs.d/{registry}/ca.crt");
    assert_eq!((&said["files"][0]["path"], &said["files"][0]["state"]), (&path.as_str().into(), &"wrote".into()));
    assert_eq!((&said["changed"], &said["ca_sha256"]), (&true.into(), &pin.as_str().into()));
    let text = said["stanzas"][0].as_str().expect("a text");
    assert!(text.starts_with("# ~/.docker/buildx/buildkitd.default.toml"), "what buildx reads by itself: {text}");
    let buildkit: toml::Table = said["stanzas"][0].as_str().expect("a text").parse().expect("TOML");
    assert_eq!(buildkit["registry"][&registry]["ca"][0].as_str(), Some(path.as_str()));
    assert!(said["stanzas"][1].as_str().expect("a text").contains(&format!("ca_file: \"{path}\"")));
    let said = stdout(&host.run(&["untrust", &registry, "--json"]));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["files"][0]["state"], "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_root_writes_at_home_alone() {
    let server = Server::start().await;
    let (registry, pin, host) = (server.host(), pin_of(&server), ClientHost::new());
    stdout(&host.trust(&registry, &pin, &["--user"]));
    assert!(host.tree().keys().all(|path| path.starts_with("home")), "{:?}", host.tree());
    assert_eq!(host.text(&format!("home/op/.config/docker/certs.d/{registry}/ca.crt")), server.ca());
    assert_eq!(host.text(&format!("home/op/.config/containers/certs.d/{registry}/ca.crt")), server.ca());
    stdout(&host.run(&["untrust", &registry]));
    assert!(host.tree().is_empty(), "{:?}", host.tree());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_ca_is_replaced_only_when_asked() {
    let (server, other) = (Server::start().await, Server::start().await);
    let registry = server.host();
    let path = format!("etc/docker/certs.d/{registry}/ca.crt");
    let host = ClientHost::new().with(&path, other.ca());
    let (pin, before) = (pin_of(&server), host.tree());
    let text = refusal(&host.trust(&registry, &pin, &[]));
    assert!(text.contains(&path) && text.contains(&pin_of(&other)) && text.contains("--replace"), "{text}");
    assert_eq!(host.tree(), before, "nothing was written");
    let said = stdout(&host.trust(&registry, &pin, &["--replace"]));
    assert!(said.contains(&format!("replaced /{path}")), "{said}");
    assert_eq!(host.text(&path), server.ca());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_or_changed_is_left() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let (theirs, ours) =
        (format!("etc/docker/certs.d/{registry}/ca.crt"), format!("etc/containers/certs.d/{registry}/ca.crt"));
    let host = ClientHost::new().with(&theirs, server.ca());
    let said = stdout(&host.trust(&registry, &pin, &[]));
    assert!(said.contains(&format!("unchanged /{theirs}")) && said.contains(&format!("wrote /{ours}")), "{said}");
    fs::write(host.0.path().join(&ours), "changed").expect("writable");
    let output = host.run(&["untrust", &registry]);
    assert!(refusal(&output).contains(&format!("/{ours} was changed")));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&format!("left /{theirs}: `trust` did not write it")), "{said}");
    assert_eq!(host.text(&ours), "changed");
    // Once it is away by hand, the rest goes.
    fs::remove_file(host.0.path().join(&ours)).expect("there");
    stdout(&host.run(&["untrust", &registry]));
    let kept = ClientHost::new().with(&theirs, server.ca());
    assert_eq!(host.tree(), kept.tree());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registries_share_directories_and_the_last_removes_them() {
    let (first, second) = (Server::start().await, Server::start().await);
    let host = ClientHost::new();
    for server in [&first, &second] {
        stdout(&host.trust(&server.host(), &pin_of(server), &[]));
    }
    stdout(&host.run(&["untrust", &first.host()]));
    assert_eq!(host.text(&format!("etc/docker/certs.d/{}/ca.crt", second.host())), second.ca());
    assert!(!host.tree().keys().any(|path| path.contains(&first.host())), "{:?}", host.tree());
    stdout(&host.run(&["untrust", &second.host()]));
    assert!(host.tree().is_empty(), "{:?}", host.tree());
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_is_served_where_its_configuration_says() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    // Installed, with nothing said about certificates: `nerdctl` looks there, and a config_path names that directory.
    let plain = ClientHost::new().with("etc/containerd/config.toml", "version = 3\n");
    stdout(&plain.trust(&registry, &pin, &[]));
    assert_eq!(plain.text(&format!("etc/containerd/certs.d/{registry}/ca.crt")), server.ca());
    let config =
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
    let new = || ClientHost::new().with("etc/containerd/config.toml", config);
    let (host, path) = (new(), format!("etc/containerd/certs.d/{registry}/ca.crt"));
    stdout(&host.trust(&registry, &pin, &[]));
    assert_eq!(host.text(&path), server.ca());
    stdout(&host.run(&["untrust", &registry]));
    assert_eq!(host.tree(), new().tree());

    let hosts = format!("etc/containerd/certs.d/{registry}/hosts.toml");
    let host = new().with(&hosts, "server = \"x\"\n");
    let said = stdout(&host.trust(&registry, &pin, &[]));
    assert!(
        said.contains(&format!("note: containerd reads /{hosts}: add there [host.\"https://{registry}\"]")),
        "{said}"
    );
    assert!(!host.tree().contains_key(&path), "never next to a hosts.toml");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_of_systems_takes_a_constrained_ca_into_its_own_store() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let name = format!("portcullis-localhost+{}.crt", server.port());
    for (os_release, directory, command, removal) in [
        ("ID=debian\n", "usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates", "--fresh"),
        ("ID=alpine\n", "usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates", ""),
        ("ID=rocky\nID_LIKE=\"rhel fedora\"\n", "etc/pki/ca-trust/source/anchors", "usr/bin/update-ca-trust", ""),
        ("ID=opensuse-leap\nID_LIKE=suse\n", "etc/pki/trust/anchors", "usr/sbin/update-ca-certificates", ""),
        ("ID=arch\n", "etc/ca-certificates/trust-source/anchors", "usr/bin/update-ca-trust", ""),
    ] {
        let host = ClientHost::new().with_command(command, 0).with("etc/os-release", os_release);
        let host = host.with("proc/77/comm", "dockerd\n").with("proc/78/comm", "sh\n");
        let before = host.tree();
        let said = stdout(&host.trust(&registry, &pin, &[]));
        assert_eq!(host.text(&format!("{directory}/{name}")), server.ca(), "{os_release}");
        assert!(said.contains("note: dockerd read") && !said.contains("note: sh"), "{said}");
        let command = command.rsplit('/').next().expect("a name");
        assert_eq!(host.text("called"), format!("{command} \n"), "{os_release}");
        stdout(&host.trust(&registry, &pin, &[]));
        assert_eq!(host.text("called"), format!("{command} \n"), "nothing changed, nothing run");
        stdout(&host.run(&["untrust", &registry]));
        assert_eq!(host.text("called"), format!("{command} \n{command} {removal}\n"), "{os_release}");
        fs::remove_file(host.0.path().join("called")).expect("there");
        assert_eq!(host.tree(), before, "{os_release}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_or_is_unknown_leaves_the_host_as_it_was() {
    let server = Server::start().await;
    let (registry, pin) = (server.host(), pin_of(&server));
    let failing =
        ClientHost::new().with_command("usr/sbin/update-ca-certificates", 3).with("etc/os-release", "ID=debian\n");
    let unknown = ClientHost::new().with("etc/os-release", "ID=plan9\n");
    let bare = ClientHost::new().with("etc/os-release", "ID=fedora\n");
    for (host, why) in [(failing, "exit status: 3"), (unknown, "plan9"), (bare, "`update-ca-trust` is missing")] {
        let before = host.tree();
        let text = refusal(&host.trust(&registry, &pin, &["--system"]));
        assert!(text.contains(why), "{text}");
        let _ = fs::remove_file(host.0.path().join("called"));
        assert_eq!(host.tree(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_needed_and_must_be_right() {
    let server = Server::start().await;
    let (registry, host) = (server.host(), ClientHost::new());
    let missing = refusal(&tokio::task::block_in_place(|| host.run(&["trust", &registry])));
    assert!(
        missing.contains("needs the pin: --ca-sha256 HEX") && missing.ends_with("Nothing was written\n"),
        "{missing}"
    );
    let short = host.trust(&registry, "3f9a", &[]);
    assert_eq!(short.status.code(), Some(2));
    assert_eq!(host.trust(&registry, &pin_of(&server), &["--timeout", "0"]).status.code(), Some(2));
    let wrong = "0a".repeat(32);
    let text = refusal(&host.trust(&registry, &wrong, &[]));
    assert!(text.contains("REFUSED") && text.contains(&wrong) && text.contains(&pin_of(&server)), "{text}");
    assert!(host.tree().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_names_the_command() {
    let server = Server::start().await;
    let registry = server.host();
    for name in ["other.test", "10.9.8.7:5000"] {
        let text = refusal(&server.try_run(&["ca", "trust-command", name], ""));
        assert!(text.contains("may not sign for") && text.contains("ca rotate --host"), "{text}");
    }
    let said = server.run(&["ca", "trust-command", &registry]);
    let text = String::from_utf8(said.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "into a pipe goes the shell line alone");
    let said = server.run(&["ca", "trust-command", &registry, "--json"]);
    let json: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let wanted = format!("portcullis trust {registry} --ca-sha256 {}", pin_of(&server));
    assert_eq!(json["program"].as_str(), Some(wanted.as_str()));
    assert_eq!(json["shell"].as_str(), Some(text.trim()));
    let hash = json["script_sha256"].as_str().expect("a text");
    assert_eq!(
        text.trim(),
        format!(
            "curl -qfsSk https://{registry}/.well-known/portcullis/trust/1 | head -c 65536 >t && \
             echo \"{hash}  t\" | sha256sum -c && sudo sh t"
        )
    );
    let long = server.run(&["ca", "trust-command", &registry, "--self-contained"]);
    let long = String::from_utf8(long.stdout).expect("text");
    assert_eq!(json["self_contained"].as_str(), Some(long.trim()));
    assert!(long.starts_with("sh -c '") && long.contains("openssl"), "{long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_ca_comes_from_a_file() {
    let (ca, other) = (Ca::new(|_| {}), Ca::new(|_| {}));
    let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
    let registry = ca.serve("localhost", missing, REGISTRY).await;
    let trust = |host: &ClientHost, file: &Path, more: &[&str]| {
        let file = file.display().to_string();
        tokio::task::block_in_place(|| host.run(&[&["trust", &registry, "--ca-file", &file], more].concat()))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("writable");
        path
    };
    let (ours, theirs) = (file("ca.pem", &ca.pem()), file("other.pem", &other.pem()));
    let both = file("both.pem", &format!("{}{}", ca.pem(), other.pem()));
    let host = ClientHost::new();
    for (file, more, why) in [
        (&theirs, vec![], "REFUSED: with the pinned CA as the only root"),
        (&both, vec![], "it holds 2 roots"),
        (&folder.path().join("absent"), vec![], "cannot read"),
        (&ours, vec!["--ca-sha256".to_owned(), other.pin()], "REFUSED: the CA at"),
    ] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let text = refusal(&trust(&host, file, &more));
        assert!(text.contains(why), "wanted {why:?}: {text}");
        assert!(host.tree().is_empty(), "{why}");
    }
    let without = refusal(&host.trust(&registry, &ca.pin(), &[]));
    assert!(without.contains("--ca-file FILE"), "{without}");

    stdout(&trust(&host, &ours, &["--ca-sha256", &ca.pin()]));
    let again = stdout(&trust(&host, &ours, &[]));
    assert!(again.contains("unchanged /etc/docker"), "{again}");
    let written = host.text(&format!("etc/docker/certs.d/{registry}/ca.crt"));
    assert_eq!(written.replace('\n', ""), ca.pem().replace('\n', ""));
    stdout(&host.run(&["untrust", &registry]));
    assert!(host.tree().is_empty(), "{:?}", host.tree());
}
