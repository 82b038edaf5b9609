//! Several nodes of one registry: each is the program itself with a data directory of its own, all on one database of a real PostgreSQL.
//!
//! ```ignore
//! let cluster = Cluster::start(3).await;
//! let (a, b) = (cluster.node(0), cluster.node(1));
//! ```

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::server::{ADMIN_PASSWORD, ALICE_PASSWORD};
use super::{Actor, Server, eventually, postgres};

/// Nodes of one registry.
pub struct Cluster {
    url: String,
    /// Blobs and the key, which all nodes have.
    _common: TempDir,
    nodes: Vec<Server>,
}

impl Cluster {
    /// So many nodes, and the administrator `admin`.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, "").await
    }

    /// The same, each with a configuration file of this text.
    pub async fn start_with(count: usize, config: &str) -> Self {
        let mut cluster = Self::absent(&vec![config; count]);
        cluster.spawn().await;
        cluster
    }

    /// A node for each configuration: initialised, but none runs yet.
    pub fn absent(configs: &[&str]) -> Self {
        let url = postgres::database();
        let common = TempDir::new().expect("a directory");
        let (key, blobs) = (common.path().join("registry.key"), common.path().join("blobs"));
        std::fs::create_dir(&blobs).expect("a directory");
        let node = |config: &&str| node(&url, &blobs, &key, config);
        let mut nodes: Vec<Server> = configs.iter().map(node).collect();
        nodes.first_mut().expect("a node at least").initialise();
        Self { url, _common: common, nodes }
    }

    /// Starts those that do not run; returns when they serve.
    pub async fn spawn(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| !node.is_running()) {
            node.spawn().await;
        }
    }

    /// The address of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    pub fn node(&self, number: usize) -> &Server {
        &self.nodes[number]
    }

    pub fn node_mut(&mut self, number: usize) -> &mut Server {
        &mut self.nodes[number]
    }

    /// The number of the node that listens there.
    pub fn at(&self, address: &str) -> usize {
        let is_there = |node: &Server| node.is_running() && address.ends_with(&format!(":{}", node.port()));
        self.nodes.iter().position(is_there).unwrap_or_else(|| panic!("no node listens on {address}"))
    }

    /// The user alice, added from the first node's machine, and what she is on each node.
    pub fn alice_everywhere(&self) -> Vec<Actor> {
        self.node(0).add_user("alice", ALICE_PASSWORD);
        self.nodes.iter().map(|node| node.actor("alice", ALICE_PASSWORD)).collect()
    }

    /// The administrator on each node.
    pub fn admin_everywhere(&self) -> Vec<Actor> {
        self.nodes.iter().map(|node| node.actor("admin", ADMIN_PASSWORD)).collect()
    }

    /// What `cluster status` says, asked on the machine of this node.
    pub fn status_by(&self, number: usize) -> Value {
        let shown = self.node(number).run(&["cluster", "status", "--json"]);
        serde_json::from_slice(&shown.stdout).expect("JSON")
    }

    /// The lease of this name, by the machine of a node: `None` while no one has it.
    pub fn lease_by(&self, number: usize, name: &str) -> Option<Value> {
        let status = self.status_by(number);
        let leases = status["leases"].as_array().expect("a list");
        leases.iter().find(|lease| lease["name"] == name).cloned()
    }

    /// The number of the node that runs this job; waits until one does.
    pub async fn runner_of(&self, job: &str) -> usize {
        let mut found = None;
        eventually("a node runs it", async || {
            found = self.lease_by(0, job);
            found.is_some()
        })
        .await;
        self.at(found.expect("a lease")["node"].as_str().expect("text"))
    }
}

/// A node of the registry in this database, which has not been started: with the key of the others, and their place for blobs.
pub fn node(database: &str, blobs: &Path, key: &Path, config: &str) -> Server {
    let mut node = Server::absent_on(database, config);
    node.set_variable("PORTCULLIS_SECRETS_KEY_FILE", &key.display().to_string());
    std::fs::create_dir_all(node.data()).expect("a directory");
    std::fs::set_permissions(node.data(), Permissions::from_mode(0o700)).expect("ours");
    symlink(blobs, node.data().join("blobs")).expect("a link");
    node
}
