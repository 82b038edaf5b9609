//! One file per section: its keys, their defaults and bounds, and what they mean.

mod acme;
mod auth;
mod client_certificates;
mod delete;
mod limits;
mod log;
mod server;
mod storage;
mod tls;

pub use acme::{Acme, AcmeChallenge, ExternalAccount};
pub use auth::{Auth, Challenge};
pub use client_certificates::{AcceptedCertificates, ClientCertificates};
pub use delete::Delete;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use server::Server;
pub use storage::Storage;
pub use tls::{OperatorPair, Tls};

/// All sections, in the order of the sample.
pub(super) const SECTIONS: [&str; 9] =
    ["server", "tls", "acme", "client_certificates", "auth", "storage", "limits", "delete", "log"];
