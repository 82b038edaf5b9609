//! A real server over real TLS, and people who talk to it.
//!
//! ```ignore
//! let (server, admin, alice, anonymous) = Server::start_with_people().await;
//! ```

// Every test crate uses its own part of this, and sees all of it as public.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod actor;
pub mod image;
pub mod server;

pub use actor::Actor;
pub use image::Image;
pub use server::Server;
