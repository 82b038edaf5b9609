//! Portcullis, a registry for container images.

pub mod config;
pub mod domain;
pub mod server;
pub mod tls;
