//! Certificates from a public authority, ordered and renewed by the registry itself (ACME, RFC 8555).
//!
//! [`Orderer`] carries one order through: account, order, challenges, certificate, files. What must outlive the process, or be seen by
//! other nodes (the account, the challenges under way), it keeps in a [`AcmeStore`], which is implemented where the database is known.
//! [`AcmeChallenges`] are the answers at hand: for handshakes on the registry's own port (`tls-alpn-01`, RFC 8737) and for a file over plain
//! HTTP (`http-01`). [`keep_ordered`] runs beside the server and decides when to order. The certificate lies in the data directory
//! like any other, and is taken up from there without dropping a connection.

mod account;
mod challenge_certificate;
mod challenges;
mod error;
mod files;
mod http_client;
mod order;
mod renewal;
mod scheduler;
mod settings;
mod store;
mod validation;

pub use challenges::{AcmeChallenges, follow_challenges};
pub use error::{AcmeError, FailedName};
pub use files::issued_by;
pub use order::Orderer;
pub use scheduler::keep_ordered;
pub use settings::OrderSettings;
pub use store::{AcmeStore, AcmeStoreError, PendingAcmeChallenge};
