//! Diagnosis: of this server, and of a host that uses a registry. Both give [`finding::Finding`]s: what is wrong, why it matters, and
//! the command that fixes it. Nothing is changed.

pub(crate) mod finding;
pub(crate) mod host;
pub(crate) mod server;
