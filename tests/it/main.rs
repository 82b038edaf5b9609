//! Stories: what people do with the registry, told against the real program over real TLS, one module per room.
//!
//! One story alone: `cargo test --test it registry::pulls`. All of a room: `cargo test --test it doctor::`.

#![expect(unreachable_pub, reason = "a binary of tests exports nothing: `pub` says what other modules use")]

mod architecture;
mod auth;
mod cli;
mod cluster;
mod database;
mod doctor;
mod guide;
mod http;
mod node;
mod pki;
mod registry;
mod server;
mod storage;
mod support;
mod trust;
mod words;
