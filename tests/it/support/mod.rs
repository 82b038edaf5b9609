//! A real server over real TLS, and people who talk to it.
//!
//! ```ignore
//! let (server, admin, alice, anonymous) = Server::start_with_people().await;
//! ```

pub mod actor;
pub mod client_ca;
pub mod client_host;
pub mod cluster;
pub mod database;
pub mod distribution;
pub mod fault_proxy;
pub mod hostile_server;
pub mod image;
mod measure;
pub mod pgbouncer;
pub mod postgres;
pub mod raw;
pub mod s3;
pub mod server;
pub mod token_key;

pub use actor::Actor;
pub use client_ca::ClientCa;
pub use cluster::Cluster;
pub use image::Image;
pub use raw::Raw;
pub use server::Server;
pub use token_key::TokenKey;

use std::time::{Duration, Instant};

/// How long something may take that happens at all: far more than it needs, on a machine with far too much to do.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// Asks again and again until the answer is yes; panics after [`DEADLINE`].
pub async fn eventually(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !question().await {
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Whether what a story needs is there. In continuous integration (`CI` is set) it must be: nothing is left out there.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub fn require(there: bool, what: &str, how: &str) -> bool {
    assert!(there || std::env::var_os("CI").is_none(), "missing: {what} ({how})");
    if !there {
        eprintln!("left out: missing: {what} ({how})");
    }
    there
}

/// Whether all these programs are there; [`require`] says what happens otherwise.
pub fn require_programs(names: &[&str], package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    require(names.iter().all(is_there), &names.join(", "), &format!("apt-get install {package}"))
}

/// A header of a response, as text; empty where it has none.
pub fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}
