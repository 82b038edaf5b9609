//! Certificates from a public authority, ordered and renewed by the registry itself (ACME, RFC 8555).
//!
//! [`Orderer`] carries one order through: account, order, challenges, certificate, files. What must outlive the process, or be seen by
//! other nodes (the account, the challenges under way), it keeps in a [`AcmeStore`], which is implemented where the database is known.
//! [`AcmeChallenges`] are the current answers: for handshakes on the registry's own port (`tls-alpn-01`, RFC 8737) and for a file over plain
//! HTTP (`http-01`). A job of the server decides when to order. The certificate is stored in the data directory like any other, and is
//! served from there without dropping a connection.

mod account;
mod challenge_certificate;
mod challenges;
mod error;
mod files;
mod http_client;
mod order;
pub(crate) mod renewal;
mod settings;
mod store;
mod validation;

pub(crate) use challenges::AcmeChallenges;
pub(crate) use error::AcmeError;
pub(crate) use files::issued_by;
pub(crate) use order::Orderer;
pub(crate) use settings::OrderSettings;
pub(crate) use store::{AcmeStore, AcmeStoreError, PendingAcmeChallenge};
