//! Credentials on the wire: the `Authorization` header, what a 401 asks for, the permits that handlers take, the token endpoint.

pub(super) mod accounting;
pub mod authorization;
pub(super) mod challenge;
pub(super) mod challenge_rule;
pub(super) mod extractors;
pub(super) mod token;
