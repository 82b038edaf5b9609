//! A real server over real TLS, and people who talk to it.
//!
//! ```ignore
//! let (server, admin, alice, anonymous) = Server::start_with_people().await;
//! ```

pub mod actor;
pub mod client_ca;
pub mod client_host;
pub mod hostile_server;
pub mod image;
pub mod raw;
pub mod server;
pub mod token_key;

pub use actor::Actor;
pub use client_ca::ClientCa;
pub use image::Image;
pub use raw::Raw;
pub use server::Server;
pub use token_key::TokenKey;

use std::time::{Duration, Instant};

/// Asks again and again until the answer is yes; panics after `limit`.
pub async fn eventually(limit: Duration, what: &str, mut question: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + limit;
    while !question().await {
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A header of a response, as text; empty where it has none.
pub fn header(response: &reqwest::Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}
