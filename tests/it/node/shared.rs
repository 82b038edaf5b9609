//! Several nodes over one database are one registry: one certificate authority, one key, one place for blobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tempfile::TempDir;

use crate::support::server::ADMIN_PASSWORD;
use crate::support::{Actor, Server, cluster, eventually, postgres};

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

    /// A node that has not been started, with this key.
    fn node_with(&self, key: &Path) -> Server {
        cluster::node(&self.database, &self.blobs(), key, CONFIG)
    }

    /// A node that has not been started.
    fn node(&self) -> Server {
        self.node_with(&self.key)
    }

    /// `count` nodes that serve, after `init` on a machine that is none of them.
    async fn nodes(&self, count: usize) -> Vec<Server> {
        let init = ["init", "--host", "localhost", "--admin-password-stdin"];
        let said = self.elsewhere().run_with_input(&init, ADMIN_PASSWORD).stdout;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("other nodes") && said.contains(&self.key.display().to_string()), "{said}");
        let mut nodes: Vec<Server> = (0..count).map(|_| self.node()).collect();
        for node in &mut nodes {
            node.spawn().await;
        }
        nodes
    }

    /// A machine that serves nothing, with the configuration and the key.
    fn elsewhere(&self) -> Server {
        cluster::node(&self.database, &self.home.path().join("no-blobs"), &self.key, CONFIG)
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

const CONFIG: &str = "[server]\nhosts = [\"localhost\"]\n";
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
    let elsewhere = registry.elsewhere();
    let ca = exported(&elsewhere);
    for node in &nodes {
        assert!(serves(node, &ca).await);
        let admin = node.actor("admin", ADMIN_PASSWORD);
        assert_eq!(admin.get("/v2/").await.status(), StatusCode::OK);
        assert_eq!(fs::read_to_string(node.data().join("tls/leaf.pem")).expect("a leaf"), leaf(&nodes[0]));
    }
    let left = walk(elsewhere.data());
    assert!(left.iter().all(|path| path.ends_with("lock")), "a command leaves nothing on its machine: {left:?}");
    let text = refused(&registry.elsewhere(), &["init", "--host", "localhost"]);
    assert!(text.contains("already initialised") && text.contains("key_file"), "{text}");
}

fn leaf(node: &Server) -> String {
    fs::read_to_string(node.data().join("tls/leaf.pem")).expect("a leaf")
}

/// Every file below a directory; what is linked to is elsewhere.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("readable").path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
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
                let names =
                    walk(&node.data().join("ca")).into_iter().filter_map(|path| Some(path.file_name()?.to_owned()));
                let keys =
                    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with("root.key"));
                keys.collect::<Vec<_>>()
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
    let (other, missing) = (registry.home.path().join("other.key"), registry.home.path().join("missing"));
    write_key(&other, &[8; 32]);
    let with_other = || registry.node_with(&other);
    let text = refused(&with_other(), SERVE);
    assert!(text.contains("other.key") && text.contains("another node"), "{text}");
    assert!(refused(&with_other(), &["ca", "show"]).contains("other.key"));
    let without = registry.node_with(Path::new("none"));
    let text = refused(&without, SERVE);
    assert!(text.contains("secrets.key_file") && text.contains("Copy the key"), "{text}");
    assert!(!without.data().join("keys/seal.key").exists(), "no second key is made");
    assert!(refused(&registry.node_with(&missing), SERVE).contains("does not exist"));
    write_key(&other, b"too short");
    assert!(refused(&with_other(), SERVE).contains("holds no key"));
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    assert!(refused(&with_other(), SERVE).contains("chmod 600"));
}

#[tokio::test]
async fn a_node_with_another_place_for_blobs_is_refused() {
    let registry = Registry::with_key();
    registry.nodes(1).await;
    let elsewhere = registry.home.path().join("another-disk");
    fs::create_dir(&elsewhere).expect("a directory");
    let node = cluster::node(&registry.database, &elsewhere, &registry.key, CONFIG);
    let text = refused(&node, SERVE);
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

#[tokio::test]
async fn nodes_that_start_at_once_on_an_empty_database_make_one_registry() {
    for round in 0..20 {
        let registry = Registry::with_key();
        let (mut one, mut two) = (registry.node(), registry.node());
        tokio::join!(one.spawn(), two.spawn());
        let ca = exported(&one);
        assert!(serves(&one, &ca).await && serves(&two, &ca).await, "round {round}");
        let users: serde_json::Value =
            serde_json::from_slice(&two.run(&["--json", "user", "list"]).stdout).expect("JSON");
        assert_eq!(users.as_array().map(Vec::len), Some(1), "round {round}: {users}");
        let files: Vec<PathBuf> = [&one, &two]
            .map(|node| node.data().join("initial-admin-password"))
            .into_iter()
            .filter(|file| file.exists())
            .collect();
        let [file] = &files[..] else { panic!("round {round}: one password is shown: {files:?}") };
        let password = fs::read_to_string(file).expect("readable");
        for node in [&one, &two] {
            assert!(node.actor("admin", password.trim()).token(&[]).await.is_some(), "round {round}");
        }
    }
}

#[tokio::test]
async fn nodes_agree_after_rotations_that_were_killed() {
    let registry = Registry::with_key();
    let mut nodes = registry.nodes(2).await;
    let elsewhere = registry.elsewhere();
    for round in 0..12 {
        let mut rotation = elsewhere.command(&["ca", "rotate", "--at-once"]);
        let mut rotation = rotation.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..400))).await;
        if round % 3 == 0 {
            // The node that takes it up, too.
            nodes[round % 2].kill().await;
            nodes[round % 2].spawn().await;
        }
        rotation.kill().expect("ours");
        rotation.wait().expect("ended");
    }
    let ca = exported(&elsewhere);
    for node in &nodes {
        eventually("the authority of the database is served", async || serves(node, &ca).await).await;
    }
    elsewhere.run(&["ca", "show"]);
    let keys: Vec<PathBuf> =
        walk(elsewhere.data()).into_iter().filter(|path| path.extension().is_some_and(|end| end == "key")).collect();
    assert!(keys.is_empty(), "the next command removes what killed ones have left: {keys:?}");
}

#[tokio::test]
async fn a_certificate_that_is_imported_on_any_machine_is_served_by_every_node() {
    let registry = Registry::with_key();
    let mut nodes = registry.nodes(2).await;
    let mut away = registry.node();
    away.spawn().await;
    away.kill().await;
    let elsewhere = registry.elsewhere();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let (chain, key) = (elsewhere.home().join("given.crt"), elsewhere.home().join("given.key"));
    fs::write(&chain, made.cert.pem()).expect("written");
    write_key(&key, made.signing_key.serialize_pem().as_bytes());
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    elsewhere.run(&["cert", "import", "--cert", &chain, "--key", &key]);
    let pem = made.cert.pem();
    let is_served = async |node: &Server| {
        let client = Actor::new(node.port(), &pem, None);
        client.bare(Method::GET, "/v2/").send().await.is_ok()
    };
    away.spawn().await;
    nodes.push(away);
    for node in &nodes {
        eventually("the imported certificate is served", async || is_served(node).await).await;
        let shown = String::from_utf8(node.run(&["cert", "show", "--json"]).stdout).expect("text");
        assert!(shown.contains("imported"), "{shown}");
    }
}
