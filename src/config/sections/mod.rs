//! One file per section: its keys, their defaults and bounds, and what they mean.

mod auth;
mod client_certificates;
mod delete;
mod limits;
mod log;
mod server;
mod storage;
mod tls;

pub use auth::{Auth, Challenge};
pub use client_certificates::{AcceptedCertificates, ClientCertificates};
pub use delete::Delete;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use server::Server;
pub use storage::Storage;
pub use tls::{OperatorPair, Tls};

/// All sections, in the order of the sample.
pub(super) const SECTIONS: [&str; 8] =
    ["server", "tls", "client_certificates", "auth", "storage", "limits", "delete", "log"];
