//! Bodies of requests: how they are read, how slowly they may come, and how many may come at the same time.

pub(super) mod minimum_rate;
pub(super) mod receive;
pub(super) mod upload_limits;
