//! The one HTTPS client, for all that this program asks of others: an ACME authority, a registry that is to be trusted, its own server.
//!
//! Everything about it is bounded: the whole exchange, the time without a byte, the head and the body of an answer. It speaks HTTP/1.1
//! over TLS and nothing else, follows no redirect, uses no proxy, keeps no connection and sends no credentials of its own.
//! Which servers it believes is said by a [`TrustMode`].

mod danger;
mod error;
mod limits;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod trust_mode;

pub(crate) use error::ClientError;
pub(crate) use limits::Limits;
pub(crate) use request::Client;
pub(crate) use response::Response;
pub(crate) use trust_mode::TrustMode;
