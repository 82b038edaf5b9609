//! Diagnosis: of this server, and of a host that uses a registry. Both give [`finding::Finding`]s.

pub mod finding;
pub mod host;
pub(crate) mod server;
