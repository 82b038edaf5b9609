//! Several nodes over one database are one registry: one certificate authority, one key, one place for blobs.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use tempfile::TempDir;

use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Server, eventually, postgres};

/// A database, a place for blobs and a key, for any number of nodes.
struct Registry {
    home: TempDir,
    database: String,
    key: PathBuf,
}

impl Registry {
    /// Nothing has been started.
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let key = home.path().join("registry.key");
        Self { database: postgres::database(), key, home }
    }

    /// The same with a key that was made beforehand.
    fn with_key() -> Self {
        let registry = Self::new();
        write_key(&registry.key, &[7; 32]);
        registry
    }

    fn blobs(&self) -> PathBuf {
        let blobs = self.home.path().join("blobs");
        fs::create_dir_all(&blobs).expect("a directory");
        blobs
    }

    fn config(&self) -> String {
        format!("[secrets]\nkey_file = {:?}\n[server]\nhosts = [\"localhost\"]\n", self.key)
    }

    /// A node that has not been started.
    fn node(&self) -> Server {
        Server::absent_node(&self.database, &self.blobs(), &self.config())
    }

    /// `count` nodes that serve, after `init` on a machine that is none of them.
    async fn nodes(&self, count: usize) -> Vec<Server> {
        self.elsewhere().initialise();
        let mut nodes: Vec<Server> = (0..count).map(|_| self.node()).collect();
        for node in &mut nodes {
            node.spawn().await;
        }
        nodes
    }

    /// A machine that serves nothing, with the configuration and the key.
    fn elsewhere(&self) -> Server {
        Server::absent_node(&self.database, &self.home.path().join("no-blobs"), &self.config())
    }
}

fn write_key(path: &Path, key: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.expect("made").write_all(key).expect("written");
}

/// What a command refuses to do, on stderr.
fn refused(server: &Server, arguments: &[&str]) -> String {
    let output = server.try_run(arguments, "");
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    text
}

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

/// Whether a client that trusts this CA alone is served, and finds the same CA published.
async fn serves(node: &Server, ca: &str) -> bool {
    let client = Actor::new(node.port(), ca, None);
    match client.bare(Method::GET, "/.well-known/portcullis/ca.pem").send().await {
        Ok(answer) => answer.text().await.is_ok_and(|published| published.trim() == ca),
        Err(_) => false,
    }
}

fn exported(server: &Server) -> String {
    String::from_utf8(server.run(&["ca", "export"]).stdout).expect("PEM is text").trim().to_owned()
}

#[tokio::test]
async fn after_one_init_every_node_serves_the_same_registry() {
    let registry = Registry::new();
    let nodes = registry.nodes(3).await;
    let ca = exported(&registry.elsewhere());
    for node in &nodes {
        assert!(serves(node, &ca).await);
        let admin = node.actor("admin", ADMIN_PASSWORD);
        assert_eq!(admin.get("/v2/").await.status(), StatusCode::OK);
        assert_eq!(fs::read_to_string(node.data().join("tls/leaf.pem")).expect("a leaf"), leaf(&nodes[0]));
    }
    let left: Vec<_> = walk(registry.elsewhere().data()).into_iter().filter(|path| path.ends_with(".key")).collect();
    assert!(left.is_empty(), "a command leaves no key on its machine: {left:?}");
    let text = refused(&registry.elsewhere(), &["init", "--host", "localhost"]);
    assert!(text.contains("already initialised") && text.contains("key_file"), "{text}");
}

fn leaf(node: &Server) -> String {
    fs::read_to_string(node.data().join("tls/leaf.pem")).expect("a leaf")
}

fn walk(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(walk(&path))
        } else {
            found.push(path.display().to_string())
        }
    }
    found
}

#[tokio::test]
async fn what_a_command_changes_on_any_machine_is_served_by_every_node() {
    let registry = Registry::with_key();
    let nodes = registry.nodes(2).await;
    let elsewhere = registry.elsewhere();
    let before = exported(&elsewhere);
    elsewhere.run(&["ca", "rotate", "--at-once"]);
    let after = exported(&elsewhere);
    assert_ne!(before, after);
    for node in &nodes {
        eventually("the new CA is served", async || serves(node, &after).await).await;
    }
    nodes[0].run(&["cert", "renew"]);
    eventually("both have the new certificate", async || leaf(&nodes[0]) == leaf(&nodes[1])).await;
    for (verb, key) in [("seal", "root.key.sealed"), ("unseal", "root.key")] {
        elsewhere.run_with_input(&["ca", verb, "--passphrase-stdin"], "a passphrase to remember");
        for node in &nodes {
            let keys = || {
                let files = walk(&node.data().join("ca"));
                let names =
                    files.iter().filter_map(|path| path.rsplit('/').next()).filter(|name| name.starts_with("root.key"));
                names.map(str::to_owned).collect::<Vec<_>>()
            };
            eventually("the root key is where it belongs", async || keys() == [key]).await;
        }
    }
}

#[tokio::test]
async fn a_node_that_was_away_during_two_rotations_serves_the_third_authority() {
    let registry = Registry::with_key();
    let mut nodes = registry.nodes(2).await;
    let mut away = nodes.pop().expect("two nodes");
    away.kill().await;
    for _ in 0..2 {
        nodes[0].run(&["ca", "rotate", "--at-once"]);
    }
    let ca = exported(&nodes[0]);
    away.spawn().await;
    assert!(serves(&away, &ca).await);
}

#[tokio::test]
async fn a_node_with_another_key_is_refused() {
    let registry = Registry::with_key();
    registry.nodes(1).await;
    let other = registry.home.path().join("other.key");
    write_key(&other, &[8; 32]);
    let mut node = registry.node();
    node.configure(&format!("[secrets]\nkey_file = {other:?}\n"));
    let text = refused(&node, SERVE);
    assert!(text.contains("other.key") && text.contains("another node"), "{text}");
    assert!(refused(&node, &["ca", "show"]).contains("other.key"));
    node.configure("");
    let text = refused(&node, SERVE);
    assert!(text.contains("secrets.key_file") && text.contains("Copy the key"), "{text}");
    assert!(!node.data().join("keys/seal.key").exists(), "no second key is made");
    node.configure(&format!("[secrets]\nkey_file = {:?}\n", registry.home.path().join("missing")));
    assert!(refused(&node, SERVE).contains("does not exist"));
    write_key(&other, b"too short");
    node.configure(&format!("[secrets]\nkey_file = {other:?}\n"));
    assert!(refused(&node, SERVE).contains("holds no key"));
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    assert!(refused(&node, SERVE).contains("chmod 600"));
}

#[tokio::test]
async fn a_node_with_another_place_for_blobs_is_refused() {
    let registry = Registry::with_key();
    registry.nodes(1).await;
    let elsewhere = registry.home.path().join("another-disk");
    fs::create_dir(&elsewhere).expect("a directory");
    let text = refused(&Server::absent_node(&registry.database, &elsewhere, &registry.config()), SERVE);
    assert!(text.contains("another place for blobs") && text.contains("bucket"), "{text}");
}

#[tokio::test]
async fn an_authority_of_a_data_directory_is_never_overwritten() {
    let registry = Registry::with_key();
    registry.nodes(1).await;
    let node = registry.node();
    fs::create_dir(node.data().join("ca")).expect("a directory");
    let other = rcgen::generate_simple_self_signed(["x.test".to_owned()]).expect("a certificate").cert.pem();
    fs::write(node.data().join("ca/root.pem"), &other).expect("written");
    let text = refused(&node, SERVE);
    assert!(text.contains("certificate authority of its own") && text.contains("--data"), "{text}");
    assert_eq!(fs::read_to_string(node.data().join("ca/root.pem")).expect("there"), other);
}
