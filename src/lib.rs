//! Portcullis, a registry for container images.

pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod registry;
pub mod server;
pub mod storage;
pub mod tls;
