//! What happens around each request: its name, the access log, panics, pages of other sites, the memory of responses that wait for their client.

pub(super) mod access_log;
pub(super) mod cors;
pub(super) mod denied_log;
pub(super) mod pending_responses;
