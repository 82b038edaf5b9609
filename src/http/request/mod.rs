//! What a request says of itself: its headers and query, where it comes from, and under which name this server was asked for.

pub(super) mod client_address;
mod forwarded;
pub(super) mod framing;
pub(super) mod headers;
pub(super) mod origin;
pub(super) mod query;
